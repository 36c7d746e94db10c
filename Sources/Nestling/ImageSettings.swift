public import NestlingBasics
import NestlingCheckpoints
public import NestlingImages
import NestlingModels

/// What a checkpoint says of images: how their pixels are prepared, or why they cannot be.
struct ImageSettings: Sendable {
    private let outcome: Result<ImagePreparation, Failure>

    /// Looks for the object `"image_processor"` of processor_config.json, where transformers 5 writes it for models with a
    /// tokenizer, and then for preprocessor_config.json. What is wrong with them is told when images are to be prepared: a
    /// model that is given prepared ones does not need them.
    init(_ source: any FileSource, modelType: String?) {
        do throws(Failure) {
            outcome = .success(try Self.preparation(source, modelType))
        } catch {
            outcome = .failure(error)
        }
    }

    private static func preparation(
        _ source: any FileSource, _ modelType: String?
    ) throws(Failure) -> ImagePreparation {
        if let fields = try source.fields("processor_config.json"),
            let processor = try fields.optionalObject("image_processor")
        {
            return try ImagePreparation(processor, modelType: modelType)
        }
        guard let fields = try source.fields("preprocessor_config.json") else {
            throw Failure(
                .unsupported,
                "\(source.path): has no preprocessor_config.json, so that images must be given as prepared pixels")
        }
        return try ImagePreparation(fields, modelType: modelType)
    }

    /// How pixels are prepared.
    func preparation() throws(Failure) -> ImagePreparation { try outcome.get() }
}

extension Model {
    /// How the checkpoint says that pixels are prepared.
    /// - Throws: `.invalidArgument` if the model takes no images, `.unsupported` if the checkpoint does not say how, or in a
    ///   way that this library does not know.
    public func imagePreparation() throws(Failure) -> ImagePreparation {
        guard image != nil else { throw Failure(.invalidArgument, "the model takes token ids, not images") }
        return try imageSettings.preparation()
    }
}
