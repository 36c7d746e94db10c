import ArgumentParser
import Nestling

/// `nestling embed`: vectors of texts, of token ids or of images.
struct EmbedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Turn texts or images into vectors.",
        discussion: """
            Texts come from the arguments, or are the lines of a file or of standard input (UTF-8; LF or CR LF). Each \
            gives one vector, in order, empty lines too. Input of any length is read and embedded piece by piece. A \
            vector does not depend on the other texts, nor on the number of threads: it is the same bit for bit.

            A model that takes images takes files instead of texts (\(Picture.formats)), and lines are their paths. They \
            are prepared as preprocessor_config.json says. Alpha is dropped, colour profiles and the orientation that Exif \
            notes are not looked at.

            Without an option for the form, each vector is a line of numbers between spaces, written with the fewest \
            digits that read back as the same float32.

            With --similarity, the result is not the vectors but the cosines between all pairs, as a table to read, or in \
            the form asked for.

            EXAMPLES
              nestling embed all-MiniLM-L6-v2 "A cat." "A dog." "A stone." --similarity
              nestling embed all-MiniLM-L6-v2 --file texts.txt --npy vectors.npy
              cut -f2 table.tsv | nestling embed all-MiniLM-L6-v2 --csv > vectors.csv
              nestling embed e5-small --prompt "query: " "how old is the moon" --json
              nestling embed dinov2-small photo.jpg drawing.png --json
              nestling embed bert --ids 101,7592,102 --ids 101,2088,102 --ffn 0.5
            """)

    @OptionGroup var checkpoint: CheckpointArgument

    @OptionGroup var input: InputArguments

    @Option(help: "Put this before each text; by default the checkpoint's default prompt, if it has one.")
    var prompt: String?

    @Option(help: ArgumentHelp("Put the checkpoint's prompt of this name before each text.", valueName: "name"))
    var promptName: String?

    @Option(
        help: ArgumentHelp(
            "How token vectors become one: \(Pooling.allCases.map(\.name).joined(separator: ", ")); by default as the "
                + "checkpoint says, or else mean.",
            valueName: "way"),
        transform: EmbedCommand.pooling)
    var pooling: Pooling?

    @Flag(inversion: .prefixedNo, help: "Scale vectors to length 1, or not; by default as the checkpoint says.")
    var normalize: Bool?

    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Submodel") var submodel: SubmodelOptions
    @OptionGroup(title: "Token merging") var merging: MergeOptions
    @OptionGroup(title: "Form") var form: VectorForm
    @OptionGroup(title: "Running") var running: RunOptions

    func validate() throws {
        if prompt != nil, promptName != nil { throw ValidationError("--prompt and --prompt-name exclude each other") }
        if !input.ids.isEmpty, prompt != nil || promptName != nil { throw ValidationError("--ids take no prompt") }
    }

    func run() throws(Failure) {
        let bar = running.begin()
        let lines = try input.lines(quiet: running.quiet)
        let whole = try Model(
            path: checkpoint.path, dtype: precision.dtype, tower: checkpoint.tower, progress: bar.report)
        bar.clear()
        let model = submodel.isEmpty ? whole : try whole.submodel(submodel.spec)
        if model.image != nil, prompt != nil || promptName != nil || !input.ids.isEmpty {
            throw Failure(.invalidArgument, "the model takes images: --prompt, --prompt-name and --ids are for texts")
        }
        var options = VectorOptions()
        options.pooling = pooling
        options.normalizes = normalize
        let embedder = try Embedder(model, prompt: chosenPrompt, options: options, reducer: merging.reducer())
        let sink = try form.sink(dimensions: embedder.dimensions, model: checkpoint.path)
        if !input.ids.isEmpty {
            let vectors = try embedder.vectors(TokenBatch(input.ids), places: input.idPlaces)
            try sink.write(vectors, labels: input.ids.map { $0.map { String($0) }.joined(separator: ",") })
        } else if let lines {
            try stream(lines, embedder, sink, bar)
        } else {
            let texts = input.texts
            for start in stride(from: 0, to: texts.count, by: embedder.chunkCount) {
                let chunk = texts[start..<min(texts.count, start + embedder.chunkCount)]
                try sink.write(try embedder.vectors(Array(chunk)), labels: chunk.map { embedder.label($0) })
                bar.draw("embedding", share: Double(start) / Double(texts.count), note: "")
            }
        }
        bar.clear()
        try sink.finish()
    }

    /// Embeds all `lines`, a chunk at a time.
    private func stream(
        _ lines: InputLines, _ embedder: Embedder, _ sink: VectorSink, _ bar: ProgressBar
    ) throws(Failure) {
        let begin = Clock.seconds
        var count = 0
        while true {
            let chunk = try lines.next(embedder.chunkCount, mostBytes: Embedder.chunkBytes)
            if chunk.isEmpty { return }
            try sink.write(
                try embedder.vectors(chunk), labels: chunk.map { embedder.label($0) })
            try StandardOutput.flush()
            count += chunk.count
            let rate = Double(count) / max(1e-9, Clock.seconds - begin)
            bar.draw("embedding", share: lines.share, note: "\(count.grouped) done, \(rate.short) per second")
        }
    }

    private var chosenPrompt: Prompt {
        if let prompt { return .text(prompt) }
        return promptName.map { .named($0) } ?? .standard
    }

    private static func pooling(_ text: String) throws -> Pooling {
        let name = String(text.map { $0 == "-" ? "_" : $0 })
        guard let pooling = Pooling(name: name) else {
            throw ValidationError("\(text.quoted) is none of \(Pooling.allCases.map(\.name).joined(separator: ", "))")
        }
        return pooling
    }
}
