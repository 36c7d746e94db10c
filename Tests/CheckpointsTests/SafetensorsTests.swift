import NestlingBasics
import NestlingCheckpoints
import Testing

struct SafetensorsTests {
    private func read(_ bytes: [UInt8]) throws(Failure) -> Safetensors { try Safetensors(file: file(bytes)) }

    private static let header = """
        {"__metadata__":{"format":"pt","note":"é"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},\
        "a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},\
        "none":{"dtype":"I64","shape":[0,3],"data_offsets":[12,12]},\
        "scalar":{"dtype":"U8","shape":[],"data_offsets":[12,13]}}
        """
    private static let sample = safetensors(header, data: Array(1...13))

    @Test func readsTensorsInTheOrderOfTheirData() throws {
        let contents = try read(Self.sample)
        #expect(contents.tensors.map(\.name) == ["a", "b", "none", "scalar"])
        #expect(contents.tensors.map(\.shape) == [[2], [2, 1], [0, 3], []])
        #expect(contents.tensors.map(\.type) == [.float16, .float32, .int64, .uint8])
        #expect(contents.tensors.map(\.elementCount) == [2, 2, 0, 1])
        #expect(contents.tensors.map { Array($0.bytes) } == [[1, 2, 3, 4], [5, 6, 7, 8, 9, 10, 11, 12], [], [13]])
        #expect(contents.metadata.map(\.key) == ["format", "note"])
        #expect(contents.metadata.map(\.value) == ["pt", "é"])
        for tensor in contents.tensors { tensor.discardPages() }
    }

    @Test func tensorsKeepTheirBytesAlive() throws {
        var tensor: Tensor?
        do { tensor = try read(Self.sample).tensors.last }
        #expect(try Array(#require(tensor).bytes) == [13])
    }

    @Test func readsAnEmptyFile() throws {
        #expect(try read(safetensors("{}")).tensors.isEmpty)
        #expect(try read(safetensors("{}      ")).tensors.isEmpty)
        #expect(try read(safetensors(#"{"__metadata__":{}}"#)).tensors.isEmpty)
    }

    @Test func refusesEveryPrefixAndEveryExtraByte() {
        for count in 0..<Self.sample.count {
            #expect(throws: Failure.self, "\(count) bytes") { try read(Array(Self.sample[..<count])) }
        }
        #expect(throws: Failure.self) { try read(Self.sample + [0]) }
    }

    /// Every value of every byte of the header and its length: a failure or a file that makes sense, never a trap.
    @Test func survivesEveryChangedByte() {
        for position in 0..<Self.sample.count - 13 {
            for value in UInt8.min...UInt8.max {
                var changed = Self.sample
                changed[position] = value
                guard let contents = try? read(changed) else { continue }
                var byteCount = 0
                for tensor in contents.tensors { byteCount += tensor.bytes.count }
                #expect(byteCount == 13)
            }
        }
    }

    @Test(arguments: [101_000_000, 1 << 31, 1 << 32, 1 << 62, 1 << 63, UInt64.max, UInt64.max - 7])
    func refusesAbsurdHeaderLengths(length: UInt64) {
        let trouble = failure { _ = try read(safetensors("{}", length: length)) }
        #expect(trouble?.kind == .corrupt)
        #expect(trouble?.message.contains("header's length is \(length)") == true)
    }

    @Test(arguments: [
        // Not a header.
        "", " ", "[]", "null", "1", "\"a\"", "{", "}", "{}{}", " {}", "{}x", "{\"a\":1}", "{\"a\":[]}", "{\"a\":null}",
        #"{"__metadata__":[]}"#, #"{"__metadata__":{"a":1}}"#, #"{"__metadata__":{"a":null}}"#,
        // Members missing or of the wrong type.
        #"{"a":{}}"#, #"{"a":{"dtype":"U8","shape":[0]}}"#, #"{"a":{"dtype":"U8","data_offsets":[0,0]}}"#,
        #"{"a":{"shape":[0],"data_offsets":[0,0]}}"#, #"{"a":{"dtype":1,"shape":[0],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":0,"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":["0"],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[0.5],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":0}}"#,
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0]}}"#, #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[]}}"#,
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":["0","0"]}}"#,
        // Lies about sizes.
        #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[1,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}"#,
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[-1,-1]}}"#,
        #"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]}}"#,
        #"{"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[1e30],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"F32","shape":[0],"data_offsets":[9223372036854775807,9223372036854775807]}}"#,
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,9223372036854775807]}}"#,
        #"{"a":{"dtype":"F4","shape":[9223372036854775807],"data_offsets":[0,0]}}"#,
        // Twice.
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
        #"{"__metadata__":{},"__metadata__":{}}"#,
    ])
    func refusesLies(header: String) {
        let trouble = failure { _ = try read(safetensors(header)) }
        #expect(trouble?.kind == .corrupt)
        #expect(trouble?.message.hasPrefix("model.safetensors: ") == true)
    }

    @Test func refusesHolesAndOverlaps() {
        func two(_ first: String, _ second: String, count: Int) -> String? {
            let header = """
                {"a":{"dtype":"U8","shape":[2],"data_offsets":\(first)},\
                "b":{"dtype":"U8","shape":[2],"data_offsets":\(second)}}
                """
            let data = [UInt8](repeating: 0, count: count)
            return failure { _ = try read(safetensors(header, data: data)) }?.message
        }
        #expect(two("[0,2]", "[2,4]", count: 4) == nil)
        #expect(two("[2,4]", "[0,2]", count: 4) == nil)
        #expect(two("[0,2]", "[1,3]", count: 4)?.contains(#"tensor "b" overlaps"#) == true)
        #expect(two("[0,2]", "[0,2]", count: 4)?.contains(#"overlaps"#) == true)
        #expect(two("[0,2]", "[3,5]", count: 5)?.contains(#"tensor "b" leaves a hole"#) == true)
        #expect(two("[1,3]", "[3,5]", count: 5)?.contains(#"tensor "a" leaves a hole"#) == true)
        #expect(two("[0,2]", "[2,4]", count: 5)?.contains("the tensors end at byte") == true)
        #expect(two("[0,2]", "[2,4]", count: 3)?.contains("data_offsets are [2, 4]") == true)
    }

    @Test func namesTheTensorOfAnUnknownType() {
        let header = #"{"layer.0":{"dtype":"F3","shape":[1],"data_offsets":[0,1]}}"#
        let trouble = failure { _ = try read(safetensors(header, data: [0])) }
        #expect(trouble == Failure(.unsupported, #"model.safetensors: tensor "layer.0": unknown element type "F3""#))
    }

    @Test func knowsTheSizesOfAllTypes() throws {
        let sizes: [String: Int] = [
            "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "F8_E5M2FNUZ": 1, "F8_E4M3FNUZ": 1,
            "U16": 2,
            "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
        ]
        for (name, size) in sizes {
            let type = try #require(ElementType(rawValue: name))
            #expect(type.byteCount(of: 3) == 3 * size)
            let header = #"{"a":{"dtype":"\#(name)","shape":[3],"data_offsets":[0,\#(3 * size)]}}"#
            #expect(
                try read(safetensors(header, data: .init(repeating: 0, count: 3 * size))).tensors.first?.type == type)
        }
        #expect(ElementType.float4.byteCount(of: 4) == 2)
        #expect(ElementType.float4.byteCount(of: 3) == nil)
        #expect(ElementType.float6E2M3.byteCount(of: 4) == 3)
        #expect(ElementType.float32.byteCount(of: Int.max / 8) == Int.max / 8 * 4)
        #expect(ElementType.float32.byteCount(of: Int.max / 4) == Int.max / 4 * 4)
        #expect(ElementType.float32.byteCount(of: Int.max / 4 + 1) == nil)
        #expect(
            Set(sizes.keys).union(["F4", "F6_E2M3", "F6_E3M2"])
                == Set(ElementType.allCases.filter { $0.block == nil }.map(\.rawValue)))
    }
}
