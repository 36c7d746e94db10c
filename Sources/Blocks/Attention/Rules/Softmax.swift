public import NestlingBasics
import NestlingKernels
import NestlingTensors

/// `softmax_j(scale <q_i, k_j> + bias) v_j` (Vaswani et al., arXiv 1706.03762), computed in blocks of keys with a running
/// maximum and sum, so that scores never leave the cache (Dao et al., arXiv 2205.14135).
public struct Softmax: Rule {
    private let softcap: Float

    /// Reads `{"softcap"?}`: scores `s` become `c tanh(s / c)` (Gemma 2); 0: none.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        softcap = Float(try fields.number("softcap", default: 0))
    }

    init() { softcap = 0 }

    public func mix(_ meeting: Meeting, _ supports: [any Support], _ context: ForwardContext) {
        if !context.cached.isEmpty { return mixWithCache(meeting, supports, context) }
        forEachRun(meeting, supports, context) { arguments, run in
            guard run.isPooled, let pooling = context.keyPooling, arguments.window < 0, arguments.causal == 0
            else {
                return withUnsafePointer(to: arguments) { nk_attention_f32($0, Int32(context.threads)) }
            }
            context.sizes.withUnsafeBufferPointer { sizes in
                withUnsafePointer(to: arguments) {
                    nk_attention_pooled(
                        $0, pooling.groups, run.isBiased ? sizes.baseAddress : nil, Int32(context.threads))
                }
            }
        }
    }

    public func weigh(
        _ meeting: Meeting, _ supports: [any Support], firstOnly: Bool, into weights: Matrix, _ context: ForwardContext
    ) {
        forEachRun(meeting, supports, context) { arguments, _ in
            withUnsafePointer(to: arguments) {
                nk_attention_received($0, firstOnly ? 1 : 0, weights.pointer, weights.stride, Int32(context.threads))
            }
        }
    }

    /// Describes attention to the kernels, for each run of sequences that attend alike.
    private func forEachRun(
        _ meeting: Meeting, _ supports: [any Support], _ context: ForwardContext,
        _ body: (nk_attention_f32_arguments, ForwardContext.Run) -> Void
    ) {
        let met = meeting.layout.map(MetTokens.init) ?? context.keptKeys?.met ?? MetTokens(context)
        met.offsets.withUnsafeBufferPointer { offsets in
            met.positions.withUnsafeBufferPointer { positions in
                met.keyBias.withUnsafeBufferPointer { keyBias in
                    guard let offsets = offsets.baseAddress else { return }
                    var arguments = arguments(meeting, supports, context, offsets: offsets)
                    arguments.positions = positions.baseAddress
                    // The kernel may round otherwise with a bias, though it be 0: a sequence that has not merged gets none,
                    // whatever others of the batch have done.
                    for run in met.runs {
                        arguments.offsets = offsets + run.sequences.lowerBound
                        arguments.sequences = run.sequences.count
                        arguments.key_bias = run.isBiased ? keyBias.baseAddress : nil
                        withQueries(of: run, context, arguments) { body($0, run) }
                    }
                }
            }
        }
    }

    /// Describes the queries of a run, which are all tokens', or those of the rows that are left.
    private func withQueries(
        of run: ForwardContext.Run, _ context: ForwardContext, _ arguments: nk_attention_f32_arguments,
        _ body: (nk_attention_f32_arguments) -> Void
    ) {
        guard let kept = context.keptKeys else { return body(arguments) }
        context.offsets.withUnsafeBufferPointer { offsets in
            kept.tokens.withUnsafeBufferPointer { tokens in
                guard let offsets = offsets.baseAddress, let tokens = tokens.baseAddress else { return }
                var arguments = arguments
                arguments.query_offsets = offsets + run.sequences.lowerBound
                arguments.query_tokens = tokens
                body(arguments)
            }
        }
    }

    /// Describes attention of all sequences, without biases of keys and with positions within sequences.
    private func arguments(
        _ meeting: Meeting, _ supports: [any Support], _ context: ForwardContext, offsets: UnsafePointer<Int>
    ) -> nk_attention_f32_arguments {
        var arguments = nk_attention_f32_arguments(
            query: meeting.queries.pointer, query_stride: meeting.queries.stride, key: meeting.keys.pointer,
            key_stride: meeting.keys.stride, value: meeting.values.pointer, value_stride: meeting.values.stride,
            output: meeting.output.pointer, output_stride: meeting.output.stride, heads: meeting.heads,
            key_heads: meeting.keyHeads, head_size: meeting.headSize, offsets: offsets, sequences: context.sequences,
            query_offsets: nil, query_tokens: nil, scale: meeting.scale, softcap: softcap, causal: 0, window: -1,
            positions: nil, key_bias: nil,
            alibi_slopes: nil, relative_bias: nil, relative_radius: 0, key_type: NK_F32, value_type: NK_F32,
            precision: meeting.inputType.kernel)
        for support in supports { support.describe(&arguments) }
        return arguments
    }

    /// Lets the queries meet all tokens of their sequences, whose keys and values lie in the cache.
    private func mixWithCache(_ meeting: Meeting, _ supports: [any Support], _ context: ForwardContext) {
        let described = context.offsets.withUnsafeBufferPointer { offsets in
            offsets.baseAddress.map { arguments(meeting, supports, context, offsets: $0) }
        }
        guard let described else { return }
        context.withCachedSequences { sequences, type in
            var arguments = nk_cached_attention(
                query: meeting.queries.pointer, query_stride: meeting.queries.stride, output: meeting.output.pointer,
                output_stride: meeting.output.stride, heads: meeting.heads, key_heads: meeting.keyHeads,
                head_size: meeting.headSize, type: type, sequences: sequences, sequence_count: context.sequences,
                scale: meeting.scale, softcap: softcap, window: described.window,
                alibi_slopes: described.alibi_slopes, relative_bias: described.relative_bias,
                relative_radius: described.relative_radius)
            withUnsafeTemporaryAllocation(of: Int.self, capacity: context.sequences + 1) { tasks in
                guard let tasks = tasks.baseAddress else { return }
                nk_attention_cached(&arguments, tasks, Int32(context.threads))
            }
        }
    }
}
