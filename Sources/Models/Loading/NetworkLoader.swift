public import NestlingBasics
import NestlingBlocks
public import NestlingCheckpoints
public import NestlingTensors

/// What `nestling.json` may say beside a checkpoint: what transformers' own files cannot express.
public struct NestlingSettings: Sendable {
    /// The file's name.
    public static let fileName = "nestling.json"
    /// The form that this library writes. In format 1 sums of weights were inside of packed panels; without packed weights it is
    /// the same.
    static let format = 2

    /// The network, where a `config.json` cannot say it.
    public var architecture: Architecture?
    /// Leading dimensions of sentence vectors.
    public var outputDimensions: Int?
    /// In what the weights are packed; `nil`: they are ordinary tensors.
    public var codec: Codec?
    /// What transformers cannot express, for people.
    public var notInTransformers: [String] = []

    /// Says nothing.
    public init() {}

    /// Reads the file, or says nothing if there is none.
    public init(_ source: any FileSource) throws(Failure) {
        guard let fields = try source.fields(Self.fileName) else { return }
        let format = try fields.integer("format", in: 1...Int.max)
        guard format <= Self.format else {
            throw Failure(.unsupported, "\(Self.fileName): format \(format) is newer than this library")
        }
        try fields.refuseUnknownKeys(known: [
            "format", "architecture", "dtype", "output_dimensions", "not_in_transformers",
        ])
        if let name = try fields.optionalString("dtype") {
            guard let codec = Codec(rawValue: name) else {
                throw Failure(.unsupported, "\(Self.fileName): dtype \(name.quoted) is not known")
            }
            guard format == Self.format else {
                throw Failure(
                    .unsupported,
                    "\(Self.fileName): weights packed in format \(format); convert the original checkpoint again")
            }
            self.codec = codec
        }
        if let fields = try fields.optionalObject("architecture") { architecture = try Architecture(fields) }
        outputDimensions = try fields.optionalInteger("output_dimensions", in: 1...Int(Int32.max))
        notInTransformers = try fields.strings("not_in_transformers", default: [])
    }

    /// The file's content.
    public var json: JSON {
        var object = JSONObject()
        object["format"] = .integer(Self.format)
        object["not_in_transformers"] = .array(notInTransformers.map { .string($0) })
        if let codec { object["dtype"] = .string(codec.rawValue) }
        if let outputDimensions { object["output_dimensions"] = .integer(outputDimensions) }
        if let architecture { object["architecture"] = architecture.json }
        return .object(object)
    }

    /// Whether there is nothing to say.
    public var isEmpty: Bool { architecture == nil && codec == nil && outputDimensions == nil }
}

/// Everything that a checkpoint says about its network, read but for the weights.
public struct CheckpointDescription: Sendable {
    /// The tensors.
    public let checkpoint: Checkpoint
    /// `config.json`.
    public let config: JSONObject
    /// The network.
    public let architecture: Architecture
    /// From hidden states to sentence vectors.
    public let sentence: SentenceTransformersSettings
    /// What `nestling.json` says.
    public let settings: NestlingSettings

    /// One for each network that `source` holds: two where texts and images have a tower each.
    public static func all(in source: any FileSource) throws(Failure) -> [CheckpointDescription] {
        var towers: [Tower?] = [nil]
        let folder = try SentenceTransformersSettings(source: source).transformerFolder
        if let config = try source.fields(configName(folder)), try NestlingSettings(source).architecture == nil {
            towers = (try? Families.towers(config)) ?? [nil]
        }
        var descriptions: [CheckpointDescription] = []
        for tower in towers { descriptions.append(try CheckpointDescription(source, tower: tower)) }
        return descriptions
    }

    private static func configName(_ folder: String) -> String {
        folder.isEmpty ? "config.json" : "\(folder)/config.json"
    }

    /// Reads the files of `source`; of a checkpoint with two towers, what belongs to `tower`.
    public init(_ source: any FileSource, tower: Tower? = nil) throws(Failure) {
        sentence = try SentenceTransformersSettings(source: source)
        let folder = sentence.transformerFolder
        settings = try NestlingSettings(source)
        let name = Self.configName(folder)
        guard let config = try source.fields(name) else {
            throw Failure(.notFound, "\(source.path): has no \(name)")
        }
        self.config = config.object
        checkpoint = try Checkpoint(source: source, folder: folder)
        if let written = settings.architecture {
            guard tower == nil || tower == written.tower else {
                throw Failure(
                    .invalidArgument,
                    "\(NestlingSettings.fileName): the checkpoint has no \(tower?.rawValue ?? "") tower")
            }
            architecture = written
        } else {
            architecture = try Families.architecture(config, TensorNames(checkpoint.names), tower: tower)
        }
    }
}

extension Network {
    /// Loads the network of `description`: packs its weights, and gives back the pages of files that it has read; or uses
    /// the weights that lie packed in it in place.
    ///
    /// - Parameter codec: In what to keep the weights; `nil`: as the checkpoint has them packed, or else float32.
    /// - Throws: also `unsupported` if the checkpoint is packed in something else than `codec`.
    public convenience init(
        loading description: CheckpointDescription, as codec: Codec? = nil, progress: ProgressHandler?
    ) throws(Failure) {
        if let packed = description.settings.codec, let codec, packed != codec {
            throw Failure(
                .unsupported, "the checkpoint is packed as \(packed.rawValue); it cannot be opened as \(codec.rawValue)"
            )
        }
        let checkpoint = description.checkpoint
        let total = checkpoint.names.reduce(0) { $0 + (checkpoint[$1]?.bytes.count ?? 0) }
        let precision = Precision(codec ?? description.settings.codec ?? .float32)
        let weights = try NetworkWeights(description, precision, progress: LoadProgress(progress, total: total))
        var kept = KeptParts(all: weights.blocks, outputDimensions: weights.pipeline.dimensions)
        if let dimensions = description.sentence.truncatedDimension {
            kept.outputDimensions = min(dimensions, kept.outputDimensions)
        }
        if let dimensions = description.settings.outputDimensions {
            guard dimensions <= kept.outputDimensions else {
                throw Failure(
                    .corrupt,
                    "\(NestlingSettings.fileName): output_dimensions \(dimensions) are more than \(kept.outputDimensions)"
                )
            }
            kept.outputDimensions = dimensions
        }
        self.init(weights, keeping: kept)
    }
}
