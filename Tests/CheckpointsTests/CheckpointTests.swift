import NestlingBasics
import NestlingCheckpoints
import Testing

struct CheckpointTests {
    private static func one(_ name: String, _ type: String = "F32", count: Int = 4) -> String {
        #""\#(name)":{"dtype":"\#(type)","shape":[1],"data_offsets":[0,\#(count)]}"#
    }
    private static let first = safetensors("{\(one("a"))}", data: [1, 0, 0, 0])
    private static let second = safetensors("{\(one("b"))}", data: [2, 0, 0, 0])

    private func sharded(_ map: String, _ more: [String: [UInt8]] = [:]) -> MemorySource {
        memory(
            [
                "model.safetensors.index.json": Array(#"{"metadata":{"total_size":8},"weight_map":\#(map)}"#.utf8),
                "model-00001-of-00002.safetensors": Self.first, "model-00002-of-00002.safetensors": Self.second,
            ].merging(more) { $1 })
    }

    @Test func readsOneFile() throws {
        let checkpoint = try Checkpoint(source: memory(["model.safetensors": Self.first]))
        #expect(checkpoint.names == ["a"])
        #expect(checkpoint.count == 1)
        #expect(checkpoint["a"].map { Array($0.bytes) } == [1, 0, 0, 0])
        #expect(checkpoint["b"] == nil)
        #expect(try checkpoint.tensor("a", shape: [1]).elementCount == 1)
    }

    @Test func readsShards() throws {
        let source = sharded(#"{"b":"model-00002-of-00002.safetensors","a":"model-00001-of-00002.safetensors"}"#)
        let checkpoint = try Checkpoint(source: source)
        #expect(checkpoint.names == ["b", "a"])
        #expect(
            checkpoint.files.map(\.file.name) == [
                "model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors",
            ])
        #expect(checkpoint["a"].map { Array($0.bytes) } == [1, 0, 0, 0])
        #expect(checkpoint["b"].map { Array($0.bytes) } == [2, 0, 0, 0])
    }

    @Test func prefersTheSingleFile() throws {
        let checkpoint = try Checkpoint(source: sharded("{}", ["model.safetensors": Self.second]))
        #expect(checkpoint.names == ["b"])
    }

    @Test func leavesOutWhatTheIndexDoesNotList() throws {
        let checkpoint = try Checkpoint(source: sharded(#"{"a":"model-00001-of-00002.safetensors"}"#))
        #expect(checkpoint.names == ["a"])
        #expect(try Checkpoint(source: sharded("{}")).names == [])
    }

    @Test(arguments: [
        (#"{"a":"absent.safetensors"}"#, Failure.Kind.notFound, "absent.safetensors"),
        (#"{"c":"model-00001-of-00002.safetensors"}"#, .corrupt, #""c""#),
        (#"{"b":"model-00001-of-00002.safetensors"}"#, .corrupt, #""b""#),
        (#"{"a":"../model.safetensors"}"#, .corrupt, "inside"),
        (#"{"a":"/etc/passwd"}"#, .corrupt, "inside"), (#"{"a":""}"#, .corrupt, "inside"),
        (#"{"a":1}"#, .corrupt, "file name"),
        ("{\"a\":\"x\\ny\"}", .corrupt, "inside"), ("[]", .corrupt, "weight_map is an array"),
        ("null", .corrupt, "weight_map is missing"),
        (#"{"a":"model.safetensors.index.json"}"#, .corrupt, "header"),
    ])
    func refusesWrongIndexes(map: String, kind: Failure.Kind, part: String) {
        let trouble = failure { _ = try Checkpoint(source: sharded(map)) }
        #expect(trouble?.kind == kind)
        #expect(trouble?.message.contains(part) == true, "\(trouble?.message ?? "")")
    }

    @Test func saysWhatWasLookedFor() {
        #expect(
            failure { _ = try Checkpoint(source: memory([:])) }
                == Failure(
                    .notFound, "memory: no weights: looked for model.safetensors and model.safetensors.index.json"))
        for name in ["pytorch_model.bin", "pytorch_model.bin.index.json"] {
            let trouble = failure { _ = try Checkpoint(source: memory([name: [0]])) }
            #expect(trouble?.kind == .unsupported)
            #expect(trouble?.message.contains("run code") == true)
            #expect(trouble?.message.contains("save_pretrained") == true)
        }
        #expect(failure { _ = try Checkpoint(source: memory(["2_Dense/pytorch_model.bin": [0]])) }?.kind == .notFound)
        let dense = failure {
            _ = try Checkpoint(source: memory(["2_Dense/pytorch_model.bin": [0]]), folder: "2_Dense")
        }
        #expect(dense?.kind == .unsupported)
    }

    @Test func readsFolders() throws {
        let checkpoint = try Checkpoint(source: memory(["2_Dense/model.safetensors": Self.first]), folder: "2_Dense")
        #expect(checkpoint.names == ["a"])
    }

    @Test func checksShapeAndType() throws {
        let header = #"{\#(Self.one("whole", "I32")),"half":{"dtype":"F16","shape":[2,1],"data_offsets":[4,8]}}"#
        let bytes = safetensors(header, data: [UInt8](repeating: 0, count: 8))
        let checkpoint = try Checkpoint(source: memory(["model.safetensors": bytes]))
        #expect(try checkpoint.tensor("half", shape: [2, 1]).type == .float16)
        #expect(
            failure { _ = try checkpoint.tensor("gone", shape: [3]) }
                == Failure(.notFound, #"model.safetensors: tensor "gone" is missing; expected shape [3]"#))
        #expect(
            failure { _ = try checkpoint.tensor("half", shape: [2]) }
                == Failure(.corrupt, #"model.safetensors: tensor "half" has shape [2, 1]; expected [2]"#))
        #expect(
            failure { _ = try checkpoint.tensor("whole", shape: [1]) }
                == Failure(.unsupported, #"model.safetensors: tensor "whole" has type I32; expected F32, F16 or BF16"#))
    }

    /// In Swift the two names are equal strings; in the file they are different tensors.
    @Test func tellsNamesApartByTheirBytes() throws {
        let header =
            "{\(Self.one("\u{E9}")),\"e\u{301}\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}"
        let bytes = safetensors(header, data: Array(1...8))
        let checkpoint = try Checkpoint(source: memory(["model.safetensors": bytes]))
        #expect(checkpoint.count == 2)
        #expect(checkpoint["e\u{301}"].map { Array($0.bytes) } == [5, 6, 7, 8])
    }
}
