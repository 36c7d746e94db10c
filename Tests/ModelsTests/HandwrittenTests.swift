import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import Glibc
import NestlingModels
import NestlingTestSupport
import Testing

/// Networks that no family describes, through `nestling.json`, against the formulas in float64.
@Suite struct HandwrittenTests {
    @Test func agreesWithTheFormulas() throws {
        let checkpoint = MadeUpNetwork.checkpoint()
        let network = try checkpoint.network()
        #expect(network.weights.architecture.labels == ["x", "y", "z"])
        let reference = MadeUpReference(checkpoint)
        let sequences = TokenSequences(for: network, lengths: [1, 2, 3, 9, 38], seed: 3)
        let runner = network.runner()
        for layer in 0...2 {
            let found = try runner.run(sequences, .states(layer: layer, unmerged: false))
            for (found, ids) in zip(found, sequences.ids) {
                let expected = reference.states(ids)[layer].flatMap { $0 }.map { Float($0) }
                #expect(Agreement.relativeError(found, expected) <= 1e-5, "layer \(layer), \(ids.count) tokens")
            }
        }
        let scores = try runner.run(sequences, .scores(.tokenClassification, unmerged: false))
        for (found, ids) in zip(scores, sequences.ids) {
            let expected = reference.scores(ids).flatMap { $0 }.map { Float($0) }
            #expect(Agreement.relativeError(found, expected) <= 1e-5, "scores, \(ids.count) tokens")
        }
    }

    /// Keys that queries share leave together.
    @Test func mergesAndReadsBack() throws {
        let network = try MadeUpNetwork.checkpoint().network()
        let json = network.weights.architecture.json
        let again = try Architecture(JSONFields(JSON.parse(json.serialized(), name: "again"), name: "again"))
        #expect(again == network.weights.architecture)
        let sequences = TokenSequences(for: network, lengths: [1, 2, 9, 20], seed: 4)
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":2}"#)
        let states = try network.runner().run(sequences, .states(layer: 2, unmerged: false), reducer: reducer)
        #expect(states.map { $0.count / MadeUpNetwork.hidden } == [1, 2, 5, 16])
    }
}

/// The network of ``HandwrittenTests`` by its formulas, one token after the other.
private struct MadeUpReference {
    typealias Rows = [[Double]]
    let tensors: [String: TinyCheckpoint.Values]

    init(_ checkpoint: TinyCheckpoint) { tensors = checkpoint.tensors }

    private func vector(_ name: String) -> [Double] { tensors[name]?.elements.map(Double.init) ?? [] }

    private func matrix(_ name: String) -> Rows {
        guard let values = tensors[name] else { return [] }
        return (0..<values.shape[0]).map { row in
            values.elements[row * values.shape[1]..<(row + 1) * values.shape[1]].map(Double.init)
        }
    }

    private func linear(_ name: String, _ x: Rows) -> Rows {
        let (weight, bias) = (matrix("\(name).weight"), vector("\(name).bias"))
        return x.map { row in
            weight.indices.map { output in
                zip(weight[output], row).reduce(bias.isEmpty ? 0 : bias[output]) { $0 + $1.0 * $1.1 }
            }
        }
    }

    private func rms(_ name: String, _ x: Rows, offset: Double) -> Rows {
        let weight = vector("\(name).weight")
        return x.map { row in
            let scale = 1 / (row.reduce(0) { $0 + $1 * $1 } / Double(row.count) + 0.01).squareRoot()
            return zip(row, weight).map { $0 * scale * ($1 + offset) }
        }
    }

    private func layerNorm(_ name: String, _ x: Rows) -> Rows {
        let weight = vector("\(name).weight")
        return x.map { row in
            let mean = row.reduce(0, +) / Double(row.count)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
            return zip(row, weight).map { ($0 - mean) / (variance + 0.001).squareRoot() * $1 }
        }
    }

    private func plus(_ a: Rows, _ b: Rows) -> Rows { zip(a, b).map { zip($0, $1).map { $0 + $1 } } }

    /// `score` gives the score of a pair from the product of query and key, `nil` where they do not meet.
    private func attention(
        _ name: String, _ x: Rows, rotates: Bool, score: (_ head: Int, _ i: Int, _ j: Int, _ product: Double) -> Double?
    ) -> Rows {
        let (size, group) = (MadeUpNetwork.headSize, MadeUpNetwork.heads / MadeUpNetwork.keyHeads)
        var (q, k, v) = (linear("\(name).q", x), linear("\(name).k", x), linear("\(name).v", x))
        if rotates {
            // The first pair of each head, by position * 100^0.
            for t in x.indices {
                let (c, s) = (Glibc.cos(Double(t)), Glibc.sin(Double(t)))
                for head in 0..<MadeUpNetwork.heads {
                    let (a, b) = (q[t][head * size], q[t][head * size + 1])
                    (q[t][head * size], q[t][head * size + 1]) = (a * c - b * s, b * c + a * s)
                }
                for head in 0..<MadeUpNetwork.keyHeads {
                    let (a, b) = (k[t][head * size], k[t][head * size + 1])
                    (k[t][head * size], k[t][head * size + 1]) = (a * c - b * s, b * c + a * s)
                }
            }
        }
        var mixed = Rows(repeating: [], count: x.count)
        for i in x.indices {
            for head in 0..<MadeUpNetwork.heads {
                let key = head / group
                let scores = x.indices.map { j -> Double in
                    let product = (0..<size).reduce(0.0) { $0 + q[i][head * size + $1] * k[j][key * size + $1] }
                    return score(head, i, j, product) ?? -.infinity
                }
                let most = scores.max() ?? 0
                let weights = scores.map { Glibc.exp($0 - most) }
                let total = weights.reduce(0, +)
                for element in 0..<size {
                    mixed[i].append(x.indices.reduce(0.0) { $0 + weights[$1] * v[$1][key * size + element] } / total)
                }
            }
        }
        return linear("\(name).o", mixed)
    }

    /// Embedding, after the first block, after the second and the final norm.
    func states(_ ids: [Int32]) -> [Rows] {
        let (tokens, positions) = (matrix("tokens"), matrix("positions"))
        let embedded = ids.enumerated().map { index, id in zip(tokens[Int(id)], positions[index + 2]).map { $0 + $1 } }
        // ALiBi's slopes of 4 heads: 2^-2, 2^-4, 2^-6, 2^-8.
        var x = plus(
            embedded,
            attention("a", rms("a.norm", embedded, offset: 0), rotates: false) { head, i, j, product in
                0.5 * product - Glibc.exp2(-2 * Double(head + 1)) * Double(abs(i - j))
            })
        let normed = rms("a.norm2", x, offset: 1)
        let gated = zip(linear("a.gate", normed), linear("a.up", normed)).map {
            zip($0, $1).map { $0 / (1 + Glibc.exp(-$0)) * $1 }
        }
        x = plus(x, linear("a.down", gated))
        let first = x
        let scale = 1 / Double(MadeUpNetwork.headSize).squareRoot()
        x = layerNorm(
            "b.norm",
            plus(
                x,
                attention("b", x, rotates: true) { _, i, j, product in
                    abs(i - j) <= 2 ? 1.5 * Glibc.tanh(scale * product / 1.5) : nil
                }))
        let inner = linear("b.up", x).map { $0.map { max($0, 0) * max($0, 0) } }
        x = plus(x, linear("b.down", inner))
        return [embedded, first, rms("norm", x, offset: 0)]
    }

    func scores(_ ids: [Int32]) -> Rows { linear("h2", linear("h1", states(ids)[2]).map { $0.map { Glibc.tanh($0) } }) }
}
