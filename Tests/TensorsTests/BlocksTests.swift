import NestlingKernels
import NestlingTensors
import Testing

/// Weights in blocks: packed and converted piece by piece, they are what they are when decoded first.
@Suite struct BlocksTests {
    private static let types: [StoredType] = [
        .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_K, .q5_K, .q6_K, .q2_K, .q3_K, .iq4_nl, .iq4_xs, .mxfp4, .tq1_0, .tq2_0,
    ]

    @Test(arguments: types) func packedAndConvertedAsIfDecoded(_ type: StoredType) throws {
        // Some pieces of 4 MB.
        let (rows, columns) = (5003, 2048)
        var state: UInt64 = 3
        let bytes = (0..<type.bytes(rows * columns)).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 58)
        }
        let owner = Owner(bytes)
        let blocks = StoredMatrix(bytes: owner.start, type: type, rows: rows, columns: columns, owner: owner)
        #expect(blocks.byteCount == bytes.count)
        var read = 0
        let numbers = try StoredMatrix(converting: blocks, to: .float32) {
            #expect($0.lowerBound == read)
            read = $0.upperBound
        }
        #expect(read == bytes.count)
        for codec in [Codec.float32, .int8] {
            func panels(_ matrix: StoredMatrix) throws -> [UInt8] {
                var written: [UInt8] = []
                try PackedLinear(packing: matrix, as: codec, bias: nil).writePacked { written.append(contentsOf: $0) }
                return written
            }
            #expect(try panels(blocks.rows(from: 4970, count: 33)) == panels(numbers.rows(from: 4970, count: 33)))
        }
        let gathered = try StoredMatrix(gathering: [7..<9, 0..<1], of: blocks, transposing: false)
        #expect(
            gathered.bytes.loadUnaligned(as: UInt16.self)
                == (owner.start + type.bytes(7 * columns)).loadUnaligned(as: UInt16.self))
        #expect(throws: (any Error).self) { try StoredMatrix(gathering: [0..<1], of: blocks, transposing: true) }
    }
}

private final class Owner: @unchecked Sendable {
    let start: UnsafeRawPointer
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ bytes: [UInt8]) {
        buffer = .allocate(byteCount: bytes.count, alignment: 1)
        buffer.copyBytes(from: bytes)
        start = UnsafeRawPointer(buffer.baseAddress!)
    }

    deinit { buffer.deallocate() }
}
