import ArgumentParser
import Nestling

/// In which form vectors are written.
struct VectorForm: ParsableArguments {
    @Flag(help: "Write one JSON document: dimensions, vectors, count.")
    var json = false

    @Flag(help: "Write lines of numbers between commas, without a title.")
    var csv = false

    @Option(
        help: ArgumentHelp("Write a NumPy array [texts, dimensions] of float32 to this file.", valueName: "file"),
        completion: .file(extensions: ["npy"]))
    var npy: String?

    @Flag(help: "Write the cosines between all pairs instead of the vectors.")
    var similarity = false

    func validate() throws {
        if [json, csv, npy != nil].filter({ $0 }).count > 1 {
            throw ValidationError("--json, --csv and --npy exclude each other")
        }
    }

    /// Where vectors of so many dimensions go.
    func sink(dimensions: Int, model: String) throws(Failure) -> VectorSink {
        if similarity { return VectorSink(comparing: self, dimensions: dimensions, model: model) }
        return VectorSink(try writer("vectors", columns: dimensions, dimensions: dimensions, model: model))
    }

    /// Writes rows of `columns` numbers, called `key` in JSON.
    fileprivate func writer(
        _ key: String, columns: Int, dimensions: Int, model: String
    ) throws(Failure) -> any VectorWriter {
        if let npy { return try NumPyWriter(path: npy, columns: columns) }
        if json {
            let facts: [(key: String, value: JSON)] = [
                ("model", .string(model.lastPathComponent)), ("dimensions", .integer(dimensions)),
            ]
            return JSONWriter(key, facts: facts)
        }
        return LineWriter(separator: csv ? "," : " ")
    }

    fileprivate var isForPeople: Bool { !json && !csv && npy == nil }
}

/// Where vectors go: written at once, or kept until all can be compared.
final class VectorSink {
    private let writer: (any VectorWriter)?
    private let comparison: (form: VectorForm, dimensions: Int, model: String)?
    private var vectors: [[Float]] = []
    private var labels: [String] = []

    /// Writes vectors as they come.
    init(_ writer: any VectorWriter) {
        self.writer = writer
        comparison = nil
    }

    /// Keeps vectors, to compare them in the end.
    init(comparing form: VectorForm, dimensions: Int, model: String) {
        writer = nil
        comparison = (form, dimensions, model)
    }

    /// Takes vectors, and what to call their texts.
    func write(_ vectors: [[Float]], labels: @autoclosure () -> [String]) throws(Failure) {
        if let writer {
            for vector in vectors { try writer.write(vector) }
            return
        }
        self.vectors += vectors
        self.labels += labels()
        guard self.vectors.count <= Similarity.mostTexts else {
            throw Failure(.invalidArgument, "--similarity compares at most \(Similarity.mostTexts) texts")
        }
    }

    /// Writes what is left to write.
    func finish() throws(Failure) {
        try writer?.finish()
        guard let (form, dimensions, model) = comparison else { return }
        let similarity = Similarity(vectors)
        if form.isForPeople { return try StandardOutput.write(similarity.table(labels)) }
        let writer = try form.writer("similarity", columns: vectors.count, dimensions: dimensions, model: model)
        for row in similarity.values { try writer.write(row) }
        try writer.finish()
    }
}

extension InputLines {
    /// Tells a person who waits for the program that it waits for them.
    static func explainTerminal(quiet: Bool) {
        guard !quiet, isTerminal else { return }
        StandardError.write("nestling: reading texts, one a line; end with Ctrl-D\n")
    }
}
