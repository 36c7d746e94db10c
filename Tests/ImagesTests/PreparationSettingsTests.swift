import NestlingBasics
import Testing

@testable import NestlingImages

/// preprocessor_config.json: what is refused, and how; what is taken is compared with transformers in other tests.
@Suite struct PreparationSettingsTests {
    static func read(_ text: String, modelType: String? = nil) throws(Failure) -> ImagePreparation {
        let json = try JSON.parse(text, name: "preprocessor_config.json")
        return try ImagePreparation(JSONFields(json, name: "preprocessor_config.json"), modelType: modelType)
    }

    @Test(arguments: [
        ("{}", Failure.Kind.unsupported, "image_processor_type is missing"),
        (#"{"image_processor_type": "Siglip2ImageProcessor"}"#, .unsupported, #""Siglip2ImageProcessor""#),
        (#"{"feature_extractor_type": "WhisperFeatureExtractor"}"#, .unsupported, #""WhisperImageProcessor""#),
        (#"{"image_processor_type": 3}"#, .corrupt, "image_processor_type is 3"),
        (#"{"image_processor_type": "ViTImageProcessor", "size": 0}"#, .corrupt, "size is 0"),
        (#"{"image_processor_type": "ViTImageProcessor", "size": 1e18}"#, .corrupt, "size is"),
        (#"{"image_processor_type": "ViTImageProcessor", "size": [1, 2, 3]}"#, .corrupt, "size has 3 numbers"),
        (#"{"image_processor_type": "ViTImageProcessor", "size": {}}"#, .unsupported, "size has"),
        (#"{"image_processor_type": "ViTImageProcessor", "size": {"longest_edge": 7}}"#, .unsupported, "longest_edge"),
        (#"{"image_processor_type": "ViTImageProcessor", "size": {"min_pixels": 7}}"#, .unsupported, "min_pixels"),
        (
            #"{"image_processor_type": "ViTImageProcessor", "size": {"height": -7, "width": 3}}"#, .corrupt,
            "height is -7"
        ),
        (#"{"image_processor_type": "ViTImageProcessor", "resample": 6}"#, .corrupt, "resample is 6"),
        (#"{"image_processor_type": "ViTImageProcessor", "resample": "bicubic"}"#, .corrupt, "resample is"),
        (#"{"image_processor_type": "ViTImageProcessor", "do_center_crop": true}"#, .corrupt, "crop_size is missing"),
        (#"{"image_processor_type": "ViTImageProcessor", "image_mean": [0.5]}"#, .corrupt, "image_mean has 1 numbers"),
        (#"{"image_processor_type": "ViTImageProcessor", "image_std": [1, 0, 1]}"#, .corrupt, "image_std"),
        (#"{"image_processor_type": "ViTImageProcessor", "image_std": 1e-300}"#, .corrupt, "image_std"),
        (#"{"image_processor_type": "ViTImageProcessor", "rescale_factor": "a"}"#, .corrupt, "rescale_factor is"),
        (#"{"image_processor_type": "CLIPImageProcessor", "use_square_size": true}"#, .unsupported, "use_square_size"),
    ])
    func refused(_ text: String, _ kind: Failure.Kind, _ part: String) {
        let failure = #expect(throws: Failure.self) { try Self.read(text) }
        #expect(failure?.kind == kind)
        #expect(failure?.message.contains(part) == true, "\(failure?.message ?? "")")
        #expect(failure?.message.hasPrefix("preprocessor_config.json") == true)
    }

    /// Old files that name no class.
    @Test func modelType() throws {
        #expect(try Self.read("{}", modelType: "dinov2").type == "BitImageProcessor")
        #expect(
            try Self.read(#"{"size": 384}"#, modelType: "vit").resize == .exactly(ImageSize(height: 384, width: 384)))
        #expect(try Self.read(#"{"size": 384}"#, modelType: "clip").resize == .shortestEdge(384, longest: nil))
        #expect(throws: Failure.self) { try Self.read("{}", modelType: "bert") }
    }

    /// Null is the class's value.
    @Test func defaults() throws {
        let preparation = try Self.read(
            #"{"image_processor_type": "DeiTImageProcessor", "size": null, "crop_size": null, "do_resize": null}"#)
        #expect(preparation.resize == .exactly(ImageSize(height: 256, width: 256)))
        #expect(preparation.crop == ImageSize(height: 224, width: 224))
        #expect(preparation.filter == .bicubic)
        #expect(
            try preparation.preparedSize(of: ImageSize(height: 3, width: 999)) == ImageSize(height: 224, width: 224))
    }
}
