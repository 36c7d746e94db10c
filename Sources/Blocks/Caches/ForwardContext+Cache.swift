import NestlingKernels
import NestlingTensors

extension ForwardContext {
    /// The sequences of the cache as kernels see them in the layer that runs: the rows are the last tokens of each.
    func withCachedSequences(_ body: (_ sequences: UnsafePointer<nk_cached_sequence>, _ type: nk_cache_type) -> Void) {
        guard let layout = cached.first?.layout else { return }
        withUnsafeTemporaryAllocation(of: nk_cached_sequence.self, capacity: sequences) { described in
            for (index, sequence) in cached.enumerated() {
                described.initializeElement(
                    at: index,
                    to: nk_cached_sequence(
                        pages: sequence.pages(layer), tokens: endPosition(index), queries: length(index),
                        first_row: offsets[index]))
            }
            if let first = described.baseAddress { body(first, layout.type.kernel) }
        }
    }

    /// Writes keys and values `[rows, heads * headSize]` to the cache's pages of the layer that runs.
    func cache(keys: Matrix, values: Matrix, heads: Int, headSize: Int) {
        withCachedSequences { described, type in
            var arguments = nk_cached_keys(
                keys: keys.pointer, key_stride: keys.stride, values: values.pointer, value_stride: values.stride,
                key_heads: heads, head_size: headSize, type: type, sequences: described, sequence_count: sequences)
            nk_cache_append(&arguments, Int32(threads))
        }
    }
}
