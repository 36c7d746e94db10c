import NestlingBasics
import NestlingTensors
import Testing

/// Workspaces, vectors, tables and activations.
@Suite struct StorageTests {
    @Test func workspacesAreStacks() throws {
        var workspace = Workspace(limit: 0)
        #expect(workspace.byteCount == 0)
        try workspace.reserve(floats: Workspace.floats(3, 5) + Workspace.floats(2, 16))
        let first = try workspace.take(3, 5)
        let mark = workspace.mark
        let second = try workspace.take(2, 16)
        #expect(UInt(bitPattern: first.pointer) % 64 == 0 && UInt(bitPattern: second.pointer) % 64 == 0)
        #expect(second.pointer >= first.pointer + 15)
        var refusal: Failure.Kind?
        do { _ = try workspace.take(1, 1) } catch { refusal = error.kind }
        #expect(refusal == .internal)
        workspace.release(to: mark)
        #expect(try workspace.take(2, 16).pointer == second.pointer)
    }

    /// Rows that products read are never a whole number of pages apart.
    @Test func spreadRows() throws {
        for columns in [1, 768, 1023, 1024, 3072, 4096, 4112] {
            var workspace = Workspace(limit: 0)
            try workspace.reserve(floats: Workspace.spreadFloats(3, columns))
            let matrix = try workspace.takeSpread(3, columns)
            #expect(matrix.columns == columns && matrix.stride >= columns && matrix.stride < columns + 64)
            #expect(matrix.stride % 1024 != 0)
            var failure: Failure?
            do { _ = try workspace.take(1, 1) } catch { failure = error }
            #expect(failure != nil, "\(columns) columns take what was said")
        }
    }

    @Test func workspacesKeepToTheirLimit() throws {
        var workspace = Workspace(limit: 4096)
        try workspace.reserve(floats: 1024)
        #expect(workspace.byteCount == 4096)
        for floats in [1025, Int.max / 4, Int.max] {
            var failure: Failure?
            do { try workspace.reserve(floats: floats) } catch { failure = error }
            #expect(failure != nil)
        }
        // Still usable, and what is held is not given up for less.
        try workspace.reserve(floats: 10)
        #expect(workspace.byteCount == 4096)
        #expect(try workspace.take(32, 32).rows == 32)
    }

    @Test func allocationsThatCannotBe() {
        for count in [Int.max, Int.max / 4, 1 << 60] {
            var failure: Failure?
            do { _ = try AlignedStorage(count: count) } catch { failure = error }
            #expect(failure?.message.isEmpty == false)
        }
    }

    @Test func vectorsConvertAndShare() throws {
        let bits: [UInt16] = [0x3F80, 0xC000, 0x0000, 0x7F80]
        let vector = try bits.withUnsafeBytes { bytes in
            try Vector(converting: #require(bytes.baseAddress), type: .bfloat16, count: 4)
        }
        #expect((0..<4).map { vector.pointer[$0] } == [1, -2, 0, .infinity])
        #expect(vector.prefix(2).count == 2 && vector.prefix(9).count == 4)
        #expect(vector.prefix(2).pointer == vector.pointer)
        #expect(try Vector([]).count == 0)
    }

    @Test func tablesGatherWhereTheyLie() throws {
        let values = PackedLinearTests.numbers(6 * 7, seed: 1)
        for type in [StoredType.float32, .float16, .bfloat16] {
            let table = EmbeddingTable(PackedLinearTests.stored(values, rows: 6, columns: 7, type))
            #expect(table.rows == 6 && table.columns == 7)
            var output = [Float](repeating: 10, count: 3 * 9)
            let indices: [Int32] = [5, 0, 5]
            output.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                let rows = Matrix(base, rows: 3, columns: 7, stride: 9)
                table.gather(indices, into: rows, adding: false, threads: 1)
                table.gather(indices, into: rows, adding: true, threads: 2)
            }
            for (row, index) in indices.enumerated() {
                #expect(
                    Array(output[row * 9..<row * 9 + 7]) == values[Int(index) * 7..<Int(index) * 7 + 7].map { 2 * $0 })
                #expect(output[row * 9 + 7..<row * 9 + 9] == [10, 10])
            }
        }
    }

    @Test func rowsOfStoredMatrices() {
        let matrix = PackedLinearTests.stored([1, 2, 3, 4, 5, 6], rows: 3, columns: 2, .float32)
        let part = matrix.rows(from: 1, count: 2)
        #expect(part.rows == 2 && part.columns == 2)
        #expect(part.bytes.loadUnaligned(as: Float.self) == 3)
    }

    @Test func activationsByTheirNames() {
        let names = [
            "gelu": Activation.gelu, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "relu": .relu,
            "silu": .silu,
            "swish": .silu, "tanh": .tanh, "sigmoid": .sigmoid, "relu2": .reluSquared, "quick_gelu": .quickGELU,
            "linear": .identity,
        ]
        for (name, activation) in names { #expect(Activation(huggingFace: name) == activation) }
        for name in ["", "GELU", "gelu ", "mish"] { #expect(Activation(huggingFace: name) == nil) }
        for activation in Activation.allCases { #expect(Activation(rawValue: activation.rawValue) == activation) }
    }
}
