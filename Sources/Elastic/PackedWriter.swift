public import NestlingBasics
import NestlingCheckpoints
public import NestlingModels
public import NestlingTensors

/// Saves a network as a checkpoint directory whose weights lie packed in it, as they are used in memory: opening it maps the
/// file and copies nothing, and processes that open the same one share its pages.
///
/// The weights are tensors of bytes in `model.safetensors`; `nestling.json` says which layer each of them is. The results are
/// those of the network opened with the same codec, bit for bit. Other programs cannot read it.
public struct PackedWriter {
    private let network: Network
    private let precision: Precision
    private let plan: PackingPlan

    /// Plans the checkpoint of `network`, packed as `codec`.
    /// - Throws: `unsupported` if it is packed in something else already.
    public init(_ network: Network, as codec: Codec) throws(Failure) {
        let weights = network.weights
        guard !weights.isPacked || weights.precision.codec == codec else {
            throw Failure(
                .unsupported,
                "the checkpoint is packed as \(weights.precision.codec.rawValue); it cannot be saved as \(codec.rawValue)"
            )
        }
        self.network = network
        precision = Precision(codec)
        plan = try PackingPlan(network, precision)
    }

    /// Writes the checkpoint to the directory `path`.
    public func write(to path: String, overwrites: Bool, progress: ProgressHandler?) throws(Failure) {
        var settings = NestlingSettings()
        settings.architecture = plan.architecture
        settings.codec = precision.codec
        settings.notInTransformers = ["weights packed as \(precision.codec.rawValue)"]
        if network.kept.outputDimensions < network.weights.pipeline.dimensions {
            settings.outputDimensions = network.kept.outputDimensions
            settings.notInTransformers.append("sentence vectors of \(network.kept.outputDimensions) dimensions")
        }
        let directory = try StagedDirectory(path: path, overwrites: overwrites)
        let files = CheckpointFiles(network.weights.checkpoint, to: directory)
        try writeWeights(to: directory.stage(files.weights), progress)
        try files.finish(config: network.weights.config, settings: settings)
    }

    private func writeWeights(to path: String, _ progress: ProgressHandler?) throws(Failure) {
        let checkpoint = network.weights.checkpoint
        let packed = plan.linears.map { linear in
            let bytes = linear.codec.packedBytes(outputs: linear.source.outputs, inputs: linear.source.inputs)
            return SafetensorsWriter.Declaration(name: linear.name, type: .uint8, shape: [bytes])
        }
        let writer = try SafetensorsWriter(
            path: path, tensors: packed + plan.copies.map { .init(name: $0.name, type: $0.type, shape: $0.shape) },
            metadata: [("format", "nestling")])
        let total = writer.remainingCount
        for linear in plan.linears {
            try progress?("save", total - writer.remainingCount, total)
            let weights = CheckpointWeights(
                checkpoint, precision: precision, progress: LoadProgress(nil, total: 0))
            try weights.packed(linear.whole, linear.role).cut(
                outputs: linear.source.outputs, inputs: linear.source.inputs
            ).writePacked { bytes throws(Failure) in try writer.write(bytes) }
        }
        for copy in plan.copies {
            try progress?("save", total - writer.remainingCount, total)
            try write(copy, writer)
        }
        try writer.finish()
        try progress?("save", total, total)
    }

    private func write(_ copy: PackingPlan.Copy, _ writer: SafetensorsWriter) throws(Failure) {
        defer { copy.source.discardPages() }
        guard copy.type == copy.source.plainType else {
            let table = try StoredMatrix(converting: copy.source.matrix(), to: .bfloat16)
            try writer.write(
                UnsafeRawBufferPointer(start: table.bytes, count: table.byteCount))
            return withExtendedLifetime(table) {}
        }
        let source = try copy.source.plain()
        guard let piece = copy.piece else { return try writer.write(source.bytes) }
        try piece.write(source, to: writer)
    }
}
