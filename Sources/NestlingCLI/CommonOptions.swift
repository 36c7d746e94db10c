import ArgumentParser
import Nestling

/// The checkpoint that a command is about.
struct CheckpointArgument: ParsableArguments {
    @Argument(help: "The directory of a checkpoint, or a GGUF file.", completion: .file())
    var path: String

    @Option(
        help: ArgumentHelp("Of a checkpoint of texts and images (CLIP, SigLIP): text or vision.", valueName: "tower"),
        transform: CheckpointArgument.tower)
    var tower: Tower?

    static func tower(_ text: String) throws -> Tower {
        guard let tower = Tower(rawValue: text) else {
            throw ValidationError("is none of \(Tower.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return tower
    }
}

/// How a command runs.
struct RunOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: "Threads to use, 1 to 1024; by default the processors that affinity and cgroup quota allow.")
    var threads: Int?

    @Flag(name: .shortAndLong, help: "Show no progress.")
    var quiet = false

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads \(threads) is not in 1 ... 1024")
        }
    }

    /// Puts the options into effect, and begins to listen for Ctrl-C.
    func begin() -> ProgressBar {
        if let threads { Engine.threadCount = threads }
        Interruption.listen()
        return ProgressBar(quiet: quiet)
    }
}

/// In what a command keeps a model's weights.
struct PrecisionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Keep weights as \(Codec.allCases.map(\.rawValue).joined(separator: ", ")); by default as the checkpoint is "
                + "packed, or else float32.",
            valueName: "dtype"),
        transform: PrecisionOptions.codec)
    var dtype: Codec?

    static func codec(_ text: String) throws -> Codec {
        guard let codec = Codec(rawValue: text) else {
            throw ValidationError("is none of \(Codec.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return codec
    }
}

/// The submodel that a command uses of a model.
struct SubmodelOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "FFN widths to keep: a share up to 1 (0.5, 3/4), a width, or a width for each kept layer (512,1024,...).",
            valueName: "widths"),
        transform: Extents.widths)
    var ffn: SubmodelSpec.Extent?

    @Option(
        help: ArgumentHelp(
            "Attention heads to keep: a share below 1 (0.5, 3/4), a number, or a number for each kept layer.",
            valueName: "numbers"),
        transform: Extents.heads)
    var heads: SubmodelSpec.Extent?

    @Option(
        help: ArgumentHelp("Layers to keep, counted from 0: 0-3, or 0,2,4, or both mixed.", valueName: "layers"),
        transform: NumberList.ranges)
    var layers: [Int]?

    @Option(help: ArgumentHelp("Leading dimensions of vectors to keep (Matryoshka).", valueName: "count"))
    var dimensions: Int?

    /// What the options say.
    var spec: SubmodelSpec {
        var spec = SubmodelSpec()
        spec.widths = ffn ?? .all
        spec.heads = heads ?? .all
        spec.layers = layers
        spec.outputDimensions = dimensions
        return spec
    }

    /// Whether they say nothing.
    var isEmpty: Bool { ffn == nil && heads == nil && layers == nil && dimensions == nil }
}

/// Token merging.
struct MergeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Merge this many tokens in each layer (ToMe), or a list with a number for each layer.", valueName: "r"),
        transform: NumberList.commas)
    var merge: [Int]?

    @Option(help: ArgumentHelp("Merge until about this share of the tokens remains, 0 < q <= 1.", valueName: "q"))
    var mergeRatio: Double?

    @Option(
        help: ArgumentHelp(
            "Merge or prune tokens as this JSON object says, for example {\"method\": \"pitome\", \"r\": 8}; nestling.h has "
                + "all methods.",
            valueName: "json"))
    var reduce: String?

    func validate() throws {
        if [merge != nil, mergeRatio != nil, reduce != nil].count(where: { $0 }) > 1 {
            throw ValidationError("--merge, --merge-ratio and --reduce exclude each other")
        }
    }

    /// The reducer that the options ask for.
    func reducer() throws(Failure) -> (any Reducer)? {
        if let merge { return try MergeOptions.reducer(merge) }
        if let reduce { return try Reducers.reducer(json: reduce) }
        guard let mergeRatio else { return nil }
        let reduction: JSON = ["method": "tome", "ratio": .number(mergeRatio)]
        return try Reducers.reducer(json: reduction.serialized())
    }

    /// The reducer that removes so many tokens: one number for all layers, or one for each.
    static func reducer(_ amounts: [Int]) throws(Failure) -> any Reducer {
        let amount: JSON = amounts.count == 1 ? .integer(amounts[0]) : .array(amounts.map { .integer($0) })
        let reduction: JSON = ["method": "tome", "r": amount]
        return try Reducers.reducer(json: reduction.serialized())
    }
}
