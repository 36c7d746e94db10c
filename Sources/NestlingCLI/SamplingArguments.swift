import ArgumentParser
import Glibc
import Nestling

/// How a command chooses tokens.
struct SamplingArguments: ParsableArguments {
    @Option(name: [.short, .long], help: "At most so many new tokens; by default as far as the context reaches.")
    var maxNewTokens: Int?

    @Option(help: "0: always the most probable token. By default as generation_config.json says, or 0.")
    var temperature: Float?

    @Option(help: "Choose among so many of the most probable tokens; 0: all.")
    var topK: Int?

    @Option(help: "Choose among the fewest tokens that have this probability together; 1: all.")
    var topP: Float?

    @Option(help: "Choose among tokens of at least this share of the greatest probability; 0: all.")
    var minP: Float?

    @Option(help: "Make tokens that have come before less probable; 1: not.")
    var repetitionPenalty: Float?

    @Option(help: "The same seed gives the same text; by default another one each time.")
    var seed: UInt64?

    @Option(help: ArgumentHelp("End the text before this string; may be given several times.", valueName: "string"))
    var stop: [String] = []

    @Flag(help: "Go on after the token that ends texts.")
    var ignoreEos = false

    @Option(
        help: ArgumentHelp(
            "Guess tokens ahead with a submodel of this FFN width (a share, or a width), and verify them at once.",
            valueName: "width"),
        transform: Extents.widths)
    var draftFfn: SubmodelSpec.Extent?

    @Option(
        help: ArgumentHelp(
            "Guess what followed the last time that up to so many tokens were seen.", valueName: "tokens"))
    var promptLookup: Int?

    @Option(help: ArgumentHelp("At most so many guesses at once.", valueName: "count"))
    var draftTokens = 5

    @Option(
        help: ArgumentHelp(
            "Keep keys and values as \(CacheType.allCases.map(\.rawValue).joined(separator: ", ")); by default float32 for a "
                + "float32 model, else bfloat16.",
            valueName: "dtype"),
        transform: SamplingArguments.cacheType)
    var cacheDtype: CacheType?

    static func cacheType(_ text: String) throws -> CacheType {
        guard let type = CacheType(rawValue: text) else {
            throw ValidationError("is none of \(CacheType.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return type
    }

    func validate() throws {
        if draftFfn != nil, promptLookup != nil {
            throw ValidationError("--draft-ffn and --prompt-lookup exclude each other")
        }
    }

    /// What the options say of a text of `model`.
    func options(of model: Model) throws(Failure) -> GenerationOptions {
        var options = GenerationOptions()
        options.maximumNewTokens = maxNewTokens
        options.temperature = temperature
        options.topK = topK
        options.topP = topP
        options.minP = minP
        options.repetitionPenalty = repetitionPenalty
        options.seed = seed ?? UInt64.random(in: 0...UInt64.max)
        options.stopStrings = stop
        options.ignoresEndOfText = ignoreEos
        if let draftFfn {
            options.draft = .submodel(try model.submodel(ffn: draftFfn), tokens: draftTokens)
        } else if let promptLookup {
            options.draft = .promptLookup(match: promptLookup, tokens: draftTokens)
        }
        return options
    }
}
