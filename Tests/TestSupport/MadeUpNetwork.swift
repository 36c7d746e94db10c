/// A network that no family describes, written by hand in `nestling.json`.
public enum MadeUpNetwork {
    /// Elements of a hidden state.
    public static let hidden = 12
    /// Query heads.
    public static let heads = 4
    /// Key heads, each shared by two query heads.
    public static let keyHeads = 2
    /// Elements of a head.
    public static let headSize = 3
    /// FFN width.
    public static let width = 10
    /// Token ids.
    public static let vocabulary = 20

    /// The checkpoint. Two blocks: one pre-norm with RMSNorm, ALiBi, grouped keys and a gated MLP; one post-norm with a window, interleaved
    /// rotary positions on part of the head, capped scores and a plain MLP.
    public static func checkpoint() -> TinyCheckpoint {
        func linear(_ name: String, _ rows: Int, _ columns: Int, bias: Bool = false) -> String {
            #"{"weight":"\#(name).weight","shape":[\#(rows),\#(columns)]\#(bias ? #","bias":"\#(name).bias""# : "")}"#
        }
        func attention(_ name: String, _ more: String) -> String {
            let (own, keys) = (heads * headSize, keyHeads * headSize)
            return #"""
                {"type":"attention","hidden_size":\#(hidden),"heads":\#(heads),"key_heads":\#(keyHeads),
                 "head_size":\#(headSize),"query":\#(linear(name + ".q", own, hidden, bias: true)),
                 "key":\#(linear(name + ".k", keys, hidden)),"value":\#(linear(name + ".v", keys, hidden)),
                 "output":\#(linear(name + ".o", hidden, own)),\#(more)}
                """#
        }
        func rms(_ name: String, offset: Int) -> String {
            #"{"type":"rms_norm","size":\#(hidden),"epsilon":0.01,"weight":"\#(name).weight","offset":\#(offset)}"#
        }
        var checkpoint = TinyCheckpoint()
        checkpoint.files["config.json"] = #"{"model_type":"made-up"}"#
        checkpoint.files["nestling.json"] = #"""
            {"format":1,"architecture":{"family":"made-up","hidden_size":\#(hidden),
             "embedding":{"tokens":{"weight":"tokens","shape":[\#(vocabulary),\#(hidden)]},
               "positions":{"weight":"positions","shape":[40,\#(hidden)]},"position_offset":2},
             "blocks":[
              {"prefix":"a.","sublayers":[
                {"pre_norm":\#(rms("a.norm", offset: 0)),
                 "mixer":\#(attention("a", #""scale":0.5,"supports":[{"type":"alibi","heads":4}]"#))},
                {"pre_norm":\#(rms("a.norm2", offset: 1)),
                 "channel":{"type":"glu","hidden_size":\#(hidden),"width":\#(width),"activation":"silu",
                   "gate":\#(linear("a.gate", width, hidden)),"up":\#(linear("a.up", width, hidden)),
                   "down":\#(linear("a.down", hidden, width))}}]},
              {"prefix":"b.","sublayers":[
                {"mixer":\#(attention("b", #"""
                    "supports":[{"type":"window","radius":2}],
                    "features":[{"type":"rope","theta":100,"size":2,"interleaved":true}],
                    "rule":{"type":"softmax","softcap":1.5}
                    """#)),
                 "post_norm":{"type":"layer_norm","size":\#(hidden),"epsilon":0.001,"weight":"b.norm.weight"}},
                {"channel":{"type":"mlp","hidden_size":\#(hidden),"width":\#(width),"activation":"relu_squared",
                   "up":\#(linear("b.up", width, hidden, bias: true)),
                   "down":\#(linear("b.down", hidden, width, bias: true))}}]}],
             "final_norm":\#(rms("norm", offset: 0)),
             "heads":{"token_classification":{"input":"tokens","steps":[
                {"linear":\#(linear("h1", 5, hidden, bias: true)),"activation":"tanh"},{"linear":\#(linear("h2", 3, 5))}]}},
             "default_head":"token_classification","labels":["x","y","z"]}}
            """#
        var shapes: [(String, [Int])] = [
            ("tokens", [vocabulary, hidden]), ("positions", [40, hidden]), ("norm.weight", [hidden]),
            ("a.norm.weight", [hidden]), ("a.norm2.weight", [hidden]), ("b.norm.weight", [hidden]),
            ("a.gate.weight", [width, hidden]), ("b.up.bias", [width]), ("b.down.bias", [hidden]),
            ("h1.weight", [5, hidden]), ("h1.bias", [5]), ("h2.weight", [3, 5]),
        ]
        for block in ["a", "b"] {
            shapes += [
                ("\(block).q.weight", [heads * headSize, hidden]), ("\(block).q.bias", [heads * headSize]),
                ("\(block).k.weight", [keyHeads * headSize, hidden]),
                ("\(block).v.weight", [keyHeads * headSize, hidden]),
                ("\(block).o.weight", [hidden, heads * headSize]), ("\(block).up.weight", [width, hidden]),
                ("\(block).down.weight", [hidden, width]),
            ]
        }
        checkpoint.addRandom(shapes, seed: 2)
        return checkpoint
    }
}
