/// A network that generates, written by hand in `nestling.json`: grouped keys, rotary positions, capped scores, and in the second
/// block a window shorter than most texts.
public enum MadeUpDecoder {
    /// Token ids.
    public static let vocabulary = 61
    /// FFN width.
    public static let width = 40
    /// Tokens behind one that it sees in the second block.
    public static let radius = 70

    /// The checkpoint; `context` tokens are all that a sequence may have. With `channelsFirst`, blocks begin with the FFN.
    public static func checkpoint(
        context: Int = 4096, seed: UInt64 = 5, scale: Float = 3, channelsFirst: Bool = false
    ) -> TinyCheckpoint {
        let (hidden, heads, keyHeads, headSize) = (24, 4, 2, 8)
        func linear(_ name: String, _ rows: Int, _ columns: Int) -> String {
            #"{"weight":"\#(name).weight","shape":[\#(rows),\#(columns)]}"#
        }
        func norm(_ name: String) -> String {
            #"{"type":"rms_norm","size":\#(hidden),"epsilon":1e-6,"weight":"\#(name).weight"}"#
        }
        func block(_ name: String, _ supports: String, _ rule: String) -> String {
            let attention = #"""
                {"pre_norm":\#(norm(name + ".norm")),
                 "mixer":{"type":"attention","hidden_size":\#(hidden),"heads":\#(heads),"key_heads":\#(keyHeads),
                   "head_size":\#(headSize),"query":\#(linear(name + ".q", heads * headSize, hidden)),
                   "key":\#(linear(name + ".k", keyHeads * headSize, hidden)),
                   "value":\#(linear(name + ".v", keyHeads * headSize, hidden)),
                   "output":\#(linear(name + ".o", hidden, heads * headSize)),
                   "features":[{"type":"rope","theta":1000,"size":8}],"supports":\#(supports),"rule":\#(rule)}}
                """#
            let channel = #"""
                {"pre_norm":\#(norm(name + ".norm2")),
                 "channel":{"type":"glu","hidden_size":\#(hidden),"width":\#(width),"activation":"silu",
                   "gate":\#(linear(name + ".gate", width, hidden)),"up":\#(linear(name + ".up", width, hidden)),
                   "down":\#(linear(name + ".down", hidden, width))}}
                """#
            let sublayers = channelsFirst ? [channel, attention] : [attention, channel]
            return #"{"prefix":"\#(name).","sublayers":[\#(sublayers.joined(separator: ","))]}"#
        }
        var checkpoint = TinyCheckpoint()
        checkpoint.files["config.json"] = #"{"model_type":"made-up"}"#
        checkpoint.files["nestling.json"] = #"""
            {"format":1,"architecture":{"family":"made-up","hidden_size":\#(hidden),"text_tokens":\#(context),
             "embedding":{"tokens":{"weight":"tokens","shape":[\#(vocabulary),\#(hidden)]}},
             "blocks":[
               \#(block("a", #"[{"type":"causal"}]"#, #"{"type":"softmax","softcap":20}"#)),
               \#(block("b", #"[{"type":"causal"},{"type":"window","radius":\#(radius)}]"#, #"{"type":"softmax"}"#))],
             "final_norm":\#(norm("norm")),
             "heads":{"causal_lm":{"input":"tokens","steps":[{"linear":\#(linear("head", vocabulary, hidden))}]}},
             "default_head":"causal_lm"}}
            """#
        var shapes: [(String, [Int])] = [
            ("tokens", [vocabulary, hidden]), ("norm.weight", [hidden]), ("head.weight", [vocabulary, hidden]),
        ]
        for block in ["a", "b"] {
            shapes += [
                ("\(block).norm.weight", [hidden]), ("\(block).norm2.weight", [hidden]),
                ("\(block).q.weight", [heads * headSize, hidden]),
                ("\(block).k.weight", [keyHeads * headSize, hidden]),
                ("\(block).v.weight", [keyHeads * headSize, hidden]),
                ("\(block).o.weight", [hidden, heads * headSize]), ("\(block).gate.weight", [width, hidden]),
                ("\(block).up.weight", [width, hidden]), ("\(block).down.weight", [hidden, width]),
            ]
        }
        checkpoint.addRandom(shapes, seed: seed)
        // Scores so far apart that a text does not end in one repeated token, and that sampling has something to choose.
        if var head = checkpoint.tensors["head.weight"] {
            head.elements = head.elements.map { $0 * scale }
            checkpoint.tensors["head.weight"] = head
        }
        return checkpoint
    }
}
