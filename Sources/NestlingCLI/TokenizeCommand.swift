import ArgumentParser
import Nestling

/// `nestling tokenize`: texts to token ids, and back.
struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Turn texts into token ids, or ids into text.",
        discussion: """
            Needs only the tokenizer: a checkpoint directory, or a file such as tokenizer.json, vocab.txt or tokenizer.model. \
            Texts come from the arguments, or are the lines of a file or of standard input (UTF-8; LF or CR LF); input of any \
            length is read piece by piece, on all threads.

            Each text gives one line: its ids; with --tokens the tokens as the vocabulary spells them; with --count how many \
            there are; with --jsonl a JSON object with ids, tokens, offsets and the rest. --table is for people.

            With --decode, the arguments or lines are ids, and their text is printed.

            EXAMPLES
              nestling tokenize all-MiniLM-L6-v2 "Hello world!"
              nestling tokenize all-MiniLM-L6-v2 "Hello world!" --table
              nestling tokenize tokenizer.json --file texts.txt --jsonl > tokens.jsonl
              nestling tokenize gpt2 --file book.txt --count | awk '{ n += $1 } END { print n }'
              nestling tokenize bert "A question?" --pair "A long text..." --max-tokens 64 --truncate second --overflow 16 --jsonl
              nestling tokenize gpt2 --decode 15496 995
            """)

    @Argument(help: "A checkpoint directory, or the file of a tokenizer.", completion: .file())
    var path: String

    @Argument(help: "Texts (with --decode: ids); none: lines of standard input.")
    var texts: [String] = []

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Read the lines of this file; -: standard input.", valueName: "file"),
        completion: .file())
    var file: String?

    @Flag(help: "Turn ids into text; special tokens are left out unless --special-tokens is given.")
    var decode = false

    @Option(help: ArgumentHelp("Put this second text behind each text, as the tokenizer joins two.", valueName: "text"))
    var pair: String?

    @Flag(inversion: .prefixedNo, help: "Add special tokens, the default; with --decode, print them.")
    var specialTokens: Bool?

    @OptionGroup(title: "Cutting") var cutting: CuttingOptions
    @OptionGroup(title: "Form") var form: TokenForm
    @OptionGroup(title: "Running") var running: RunOptions

    func validate() throws {
        if !texts.isEmpty, file != nil { throw ValidationError("texts and --file exclude each other") }
        if decode, pair != nil || form.isChosen || !cutting.isEmpty {
            throw ValidationError("--decode prints text: it takes no --pair, no form and no cutting")
        }
    }

    func run() throws(Failure) {
        let bar = running.begin()
        let tokenizer = try Tokenizer(path: path)
        if !texts.isEmpty {
            if decode { return try write(textOf: texts.joined(separator: " "), place: "ids", tokenizer) }
            let inputs = texts.enumerated().map { InputText(bytes: Array($1.utf8), place: "text \($0 + 1)") }
            return try write(inputs, tokenizer)
        }
        let input = try InputLines(path: file ?? "-")
        if file == nil { InputLines.explainTerminal(quiet: running.quiet) }
        while true {
            let chunk = try input.next(65536, mostBytes: 1 << 22)
            if chunk.isEmpty { break }
            try Interruption.check()
            if decode {
                for line in chunk {
                    try write(textOf: String(decoding: line.bytes, as: UTF8.self), place: line.place, tokenizer)
                }
            } else {
                try write(chunk, tokenizer)
            }
            try StandardOutput.flush()
            bar.draw("reading", share: input.share, note: "")
        }
        bar.clear()
    }

    private func write(textOf ids: String, place: String, _ tokenizer: Tokenizer) throws(Failure) {
        var numbers: [Int32] = []
        for part in ids.split(whereSeparator: { $0 == "," || $0 == " " || $0 == "\t" }) {
            guard let id = Int32(part) else {
                throw Failure(.invalidArgument, "\(place): \(String(part).quoted) is not a token id")
            }
            numbers.append(id)
        }
        try StandardOutput.write(tokenizer.decode(numbers, skipSpecialTokens: specialTokens != true) + "\n")
    }

    private func write(_ texts: [InputText], _ tokenizer: Tokenizer) throws(Failure) {
        var options = TokenizeOptions()
        options.addsSpecialTokens = specialTokens ?? true
        options.truncation = try cutting.truncation(isPair: pair != nil)
        options.keepsOverflow = cutting.overflow != nil
        options.offsetUnit = form.bytes ? .bytes : .characters
        let strings = texts.map { String(decoding: $0.bytes, as: UTF8.self) }
        let pairs = pair.map { [String](repeating: $0, count: strings.count) }
        let encodings: [Encoding]
        do throws(Failure) {
            encodings = try tokenizer.encodeBatch(strings, pairs: pairs, options: options) {
                (_, _, _) throws(Failure) in try Interruption.check()
            }
        } catch {
            throw culprit(of: error, texts, strings, options, tokenizer)
        }
        for (encoding, text) in zip(encodings, strings) {
            for part in [encoding] + encoding.overflowing { try form.write(part, of: text, pair: pair, tokenizer) }
        }
    }

    /// The failure, naming the text by its place in the input.
    private func culprit(
        of failure: Failure, _ texts: [InputText], _ strings: [String], _ options: TokenizeOptions,
        _ tokenizer: Tokenizer
    ) -> Failure {
        for (text, string) in zip(texts, strings) {
            do throws(Failure) {
                _ = try tokenizer.encodeBatch([string], pairs: pair.map { [$0] }, options: options)
            } catch {
                let counted = "text 0: "
                let message =
                    error.message.hasPrefix(counted) ? String(error.message.dropFirst(counted.count)) : error.message
                return Failure(error.kind, "\(text.place): \(message)")
            }
        }
        return failure
    }
}

/// How `nestling tokenize` cuts encodings.
struct CuttingOptions: ParsableArguments {
    /// Which text of a pair is cut.
    enum Target: String, ExpressibleByArgument, CaseIterable {
        case longest
        case first
        case second
    }

    @Option(help: ArgumentHelp("Cut to this many tokens, special ones included.", valueName: "count"))
    var maxTokens: Int?

    @Option(help: ArgumentHelp("Which text of a pair is cut: longest, first or second.", valueName: "text"))
    var truncate: Target?

    @Flag(help: "Cut off the beginning, not the end.")
    var left = false

    @Option(
        help: ArgumentHelp(
            "Also print the parts that are cut off, each sharing this many tokens with the one before.",
            valueName: "tokens"))
    var overflow: Int?

    /// Whether nothing is asked for.
    var isEmpty: Bool { maxTokens == nil && truncate == nil && !left && overflow == nil }

    func validate() throws {
        if maxTokens == nil, !isEmpty { throw ValidationError("--truncate, --left and --overflow need --max-tokens") }
        if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens \(maxTokens) is not at least 1") }
        if let overflow, overflow < 0 { throw ValidationError("--overflow \(overflow) is not at least 0") }
    }

    /// What the options say; `nil`: nothing is cut.
    func truncation(isPair: Bool) throws(Failure) -> Truncation? {
        guard let maxTokens else { return nil }
        if truncate == .second, !isPair {
            throw Failure(.invalidArgument, "--truncate second needs --pair")
        }
        let strategy: Truncation.Strategy =
            switch truncate {
            case .first: .onlyFirst
            case .second: .onlySecond
            case .longest, nil: .longestFirst
            }
        return Truncation(
            maximumTokens: maxTokens, stride: overflow ?? 0, strategy: strategy, direction: left ? .left : .right)
    }
}
