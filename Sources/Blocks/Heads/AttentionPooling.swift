import NestlingBasics
import Glibc
import NestlingTensors

/// Attention of one learned query over all tokens of a sequence (Set Transformer, Lee et al., arXiv 1810.00825; SigLIP, Zhai et
/// al., arXiv 2303.15343): `output(softmax(<query, key_j> / sqrt(head size) + log(size_j)) value_j)`.
///
/// A row that stands for several merged tokens counts as many times.
final class AttentionPooling: Sendable {
    private let heads: Int
    private let headSize: Int
    private let query: Vector
    private let key: any Linear
    private let value: any Linear
    private let output: any Linear

    /// Reads `{"heads", "probe": name of a tensor [1, 1, hidden], "query", "key", "value", "output": linear layers}`.
    init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        heads = try fields.integer("heads", in: 1...65536)
        guard hiddenSize.isMultiple(of: heads) else {
            throw Failure(.corrupt, "\(fields.name): \(hiddenSize) elements are not a multiple of \(heads) heads")
        }
        headSize = hiddenSize / heads
        key = try fields.linear("key", outputs: hiddenSize, inputs: hiddenSize, weights)
        value = try fields.linear("value", outputs: hiddenSize, inputs: hiddenSize, weights)
        output = try fields.linear("output", outputs: hiddenSize, inputs: hiddenSize, weights)
        let projection = try fields.linear("query", outputs: hiddenSize, inputs: hiddenSize, weights)
        var probe = try weights.values(try fields.string("probe"), shape: [1, 1, hiddenSize])
        // The query is the same for all sequences: it is projected once.
        let scale = 1 / Float(headSize).squareRoot()
        query = try Vector(count: hiddenSize) { result in
            probe.withUnsafeMutableBufferPointer { probe in
                guard let base = probe.baseAddress else { return }
                Matrix(base, rows: 1, columns: hiddenSize).multiply(
                    Product(projection, output: Matrix(result, rows: 1, columns: hiddenSize)), threads: 1)
            }
            for index in 0..<hiddenSize { result[index] *= scale }
        }
        queryParameters = projection.parameters + hiddenSize
    }

    private let queryParameters: Int

    /// Learned numbers.
    var parameters: Int { queryParameters + key.parameters + value.parameters + output.parameters }

    /// Floats of workspace that ``apply(_:into:_:)`` takes for `rows` tokens.
    func workspaceFloats(rows: Int) -> Int {
        2 * Workspace.floats(rows, heads * headSize) + Workspace.floats(rows, heads * headSize)
            + Workspace.floats(rows, heads)
    }

    /// Writes a row for each sequence of `stream` to `output`.
    func apply(_ stream: Matrix, into result: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let hidden = heads * headSize
        let keys = try context.workspace.take(stream.rows, hidden)
        let values = try context.workspace.take(stream.rows, hidden)
        let mixed = try context.workspace.take(context.sequences, hidden)
        let scores = try context.workspace.take(stream.rows, heads)
        stream.multiply([Product(key, output: keys), Product(value, output: values)], threads: context.threads)
        parallel(context.sequences, threads: context.threads) { sequence in
            let rows = context.offsets[sequence]..<context.offsets[sequence + 1]
            mixed.row(sequence).update(repeating: 0, count: hidden)
            for head in 0..<heads {
                mix(rows, head, keys, values, scores, into: mixed.row(sequence) + head * headSize, context.sizes)
            }
        }
        mixed.multiply(Product(output, output: result), threads: context.threads)
        context.workspace.release(to: mark)
    }

    /// One head of one sequence, whose rows are `rows`.
    private func mix(
        _ rows: Range<Int>, _ head: Int, _ keys: Matrix, _ values: Matrix, _ scores: Matrix,
        into result: UnsafeMutablePointer<Float>, _ sizes: [Float]
    ) {
        let first = head * headSize
        var greatest = -Float.infinity
        for row in rows {
            var score: Float = 0
            for index in first..<first + headSize { score += query.pointer[index] * keys.row(row)[index] }
            scores.row(row)[head] = score
            greatest = max(greatest, score)
        }
        var sum: Float = 0
        for row in rows {
            let weight = expf(scores.row(row)[head] - greatest) * (sizes.isEmpty ? 1 : sizes[row])
            sum += weight
            for index in 0..<headSize { result[index] += weight * values.row(row)[first + index] }
        }
        for index in 0..<headSize { result[index] /= sum }
    }
}
