import NestlingBasics
import NestlingBlocks
import NestlingModels
import NestlingTestSupport
import Testing

/// What reductions save, against the published numbers of vision transformers on ImageNet: multiply-adds need no weights.
@Suite struct ReductionEstimateTests {
    /// A ViT: `4 N d^2 + 2 N^2 d + 8 N' d^2` in each layer, patches of 16 x 16 x 3, 1,000 classes.
    static func transformer(_ width: Int, layers: Int, patches: Int) -> NetworkOutline {
        let d = Double(width)
        var layer = NetworkOutline.Layer()
        (layer.before, layer.pair, layer.after, layer.keySize) = (4 * d * d, 2 * d, 8 * d * d, 64)
        var outline = NetworkOutline(layers: Array(repeating: layer, count: layers))
        outline.specialTokens = SpecialTokens(first: 1, last: 0)
        outline.vector = Double(patches) * 768 * d + 1000 * d
        return outline
    }

    /// README of ToMe (images per second and accuracy of its table belong to these), computed by the formula above.
    @Test(arguments: [
        (384, 12, 196, 13, 4.599, 2.703, 41), (768, 12, 196, 13, 17.564, 10.367, 41),
        (1024, 24, 196, 7, 61.555, 34.710, 29), (1024, 24, 576, 23, 191.066, 96.241, 25),
        (768, 12, 576, 45, 55.484, 28.248, 42), (192, 12, 196, 13, 1.254, 0.731, 41),
        (1024, 24, 196, 8, 61.555, 30.963, 7),
    ])
    func ofToMe(width: Int, layers: Int, patches: Int, r: Int, full: Double, reduced: Double, left: Int) throws {
        let outline = Self.transformer(width, layers: layers, patches: patches)
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":\#(r)}"#)
        let remaining = reducer.remainingTokens(patches + 1, in: outline)
        #expect(remaining.last == left)
        #expect(abs(outline.multiplyAdds(tokens: patches + 1) / 1e9 - full) < 0.001)
        #expect(abs(outline.multiplyAdds(tokens: patches + 1, remaining: remaining) / 1e9 - reduced) < 0.001)
    }

    /// What the last layer is spared where the first token alone is read: with 197 tokens, of queries, the output projection and the
    /// FFN all but one token's, and of the pairs all but 197. A reducer that leaves that token alone spares it as well.
    @Test func ofOneToken() throws {
        var outline = Self.transformer(768, layers: 12, patches: 196)
        for index in outline.layers.indices { outline.layers[index].keys = 2 * 768 * 768 }
        let (d, n) = (768.0, 197.0)
        let whole = outline.multiplyAdds(tokens: 197)
        outline.tokensRead = SpecialTokens(first: 1, last: 0)
        #expect(whole - outline.multiplyAdds(tokens: 197) == (n - 1) * (10 * d * d + n * 2 * d))
        for (protect, isSpared) in [("first", true), ("special", true), ("none", false)] {
            let reducer = try Reducers.reducer(json: #"{"method":"tome","r":13,"protect":"\#(protect)"}"#)
            let remaining = reducer.remainingTokens(197, in: outline)
            var all = outline
            all.tokensRead = nil
            let spared =
                all.multiplyAdds(tokens: 197, remaining: remaining)
                - outline.multiplyAdds(tokens: 197, reducer: reducer)
            let (before, after) = (Double(remaining[10]), Double(remaining[11]))
            let expected = (before - 1) * 2 * d * d + (before - 1) * before * 2 * d + (after - 1) * 8 * d * d
            #expect(spared == (isSpared ? expected : 0), "\(protect)")
        }
        // By attention, for which all queries are needed, and approximated: not spared.
        for text in [#"{"method":"evit","r":13}"#, #"{"method":"maelre","r":13,"exact":100,"groups":50}"#] {
            let reducer = try Reducers.reducer(json: text)
            var all = outline
            all.tokensRead = nil
            let reduced = outline.multiplyAdds(tokens: 197, reducer: reducer)
            #expect(reduced == all.multiplyAdds(tokens: 197, reducer: reducer))
        }
    }

    /// The longest sequence that can be asked for takes no longer to judge than any other, and nothing overflows.
    @Test(arguments: Reducers.methods)
    func ofEndlessSequences(_ method: String) throws {
        let outline = Self.transformer(768, layers: 12, patches: 196)
        let tokens = Int(Int32.max)
        let begin = ContinuousClock.now
        for schedule in [
            #""r":8"#, #""r":2147483647"#, #""r":[3,2147483647]"#, #""r":2147483647,"schedule":"decreasing""#,
            #""ratio":0.5"#, #""keep":0.5"#, #""flops":0.5"#, #""keep":0.1,"protect":[65536,65536]"#,
        ] {
            let reducer = try Reducers.reducer(json: #"{"method":"\#(method)",\#(schedule)}"#)
            let remaining = reducer.remainingTokens(tokens, in: outline)
            #expect(remaining.allSatisfy { (1...tokens).contains($0) })
            #expect(zip(remaining, remaining.dropFirst()).allSatisfy { $0 >= $1 })
            #expect(outline.multiplyAdds(tokens: tokens, reducer: reducer).isFinite)
            #expect(reducer.multiplyAdds(tokens, remaining: 1, keySize: 64, hiddenSize: 768).isFinite)
            // Refused or not, but without a trap.
            _ = try? reducer.mapFloats(tokens: tokens, in: outline)
        }
        #expect(ContinuousClock.now - begin < .seconds(2))
    }

    /// The paper's DeiT-S: 4.0, 3.5, 3.0, 2.6 and 2.3 billions.
    @Test(arguments: [(0.9, 4.022), (0.8, 3.477), (0.7, 3.029), (0.6, 2.635), (0.5, 2.309)])
    func ofEViT(keep: Double, reduced: Double) throws {
        let outline = Self.transformer(384, layers: 12, patches: 196)
        let reducer = try Reducers.reducer(json: #"{"method":"evit","keep":\#(keep),"layers":[4,7,10]}"#)
        let remaining = reducer.remainingTokens(197, in: outline)
        #expect(abs(outline.multiplyAdds(tokens: 197, remaining: remaining) / 1e9 - reduced) < 0.001)
    }

    /// A share of the work is met by the constant that comes closest, for every method, and follows the network.
    @Test(arguments: ["tome", "pitome", "local", "tofu", "evit", "attention_received", "token_transforming"])
    func sharesOfTheWork(_ method: String) throws {
        let outline = Self.transformer(384, layers: 12, patches: 196)
        for share in [0.3, 0.6, 0.9, 1] {
            let reducer = try Reducers.reducer(json: #"{"method":"\#(method)","flops":\#(share)}"#)
            let found = reducer.remainingTokens(197, in: outline)
            let full = outline.multiplyAdds(tokens: 197)
            let distance = abs(outline.multiplyAdds(tokens: 197, remaining: found) - share * full)
            for r in 0...197 {
                let constant = try Reducers.reducer(json: #"{"method":"\#(method)","r":\#(r)}"#)
                let remaining = constant.remainingTokens(197, in: outline)
                #expect(distance <= abs(outline.multiplyAdds(tokens: 197, remaining: remaining) - share * full), "\(r)")
                if share == 1, r == 0 { #expect(found == remaining) }
            }
        }
    }

    @Test func ofARealNetwork() throws {
        let network = try openNetwork("bert/base")
        // 3 layers of 32 with an FFN of 76.
        let outline = network.outline
        let linear = 4 * 32 * 32 + 2 * 32 * 76
        let expected = Double(3 * (10 * linear + 10 * 10 * 2 * 32))
        #expect(outline.multiplyAdds(tokens: 10) == expected)
        let modern = try openNetwork("modernbert/base").outline
        #expect(modern.layers.contains { $0.radius != nil } && modern.layers.contains { $0.radius == nil })
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":2}"#)
        let estimate = try ReductionEstimate(reducer, tokens: 10, network)
        #expect(estimate.remaining == [8, 6, 4])
        #expect(!estimate.pays && estimate.speedUp < 1 && estimate.reduced < estimate.full)
        let nothing = try ReductionEstimate(Reducers.reducer(json: #"{"method":"tome","r":0}"#), tokens: 10, network)
        #expect(nothing.speedUp == 1 && nothing.overhead == 0 && !nothing.pays)
        // A run reduces by the plan of the network that runs.
        let sequences = TokenSequences(for: network, lengths: [10, 33], seed: 1)
        let share = try Reducers.reducer(json: #"{"method":"tome","flops":0.7}"#)
        let states = try network.runner().run(sequences, .states(layer: 3, unmerged: false), reducer: share)
        #expect(states.map { $0.count / 32 } == [10, 33].map { share.remainingTokens($0, in: outline)[2] })
    }
}
