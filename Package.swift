// swift-tools-version: 6.2
import PackageDescription

// The rooms of the house, bottom up. Arrows go down only; SwiftPM keeps the rule because a target
// can import nothing that it does not name here. No target imports Foundation except the command.
let package = Package(
    name: "nestling",
    products: [
        // For Swift programs: `import Nestling`.
        .library(name: "Nestling", targets: ["Nestling"]),
        // The C library. `make library` links it as libnestling.so (soname, version script, static Swift runtime).
        .library(name: "NestlingC", type: .dynamic, targets: ["NestlingC"]),
        .executable(name: "nestling", targets: ["NestlingCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
    ],
    targets: [
        // MARK: - C

        // SIMD kernels per instruction set, run-time dispatch, the thread pool. Knows nothing.
        .target(name: "Kernels"),
        // The public header, as Swift sees it.
        .systemLibrary(name: "CNestling", path: "include"),
        // Regular expressions and Unicode normalization for tokenizers.
        .systemLibrary(name: "CPCRE2", providers: [.apt(["libpcre2-dev"])]),
        .systemLibrary(name: "CUtf8proc", providers: [.apt(["libutf8proc-dev"])]),

        // PNG and JPEG files as pixels: libpng and libjpeg behind functions that return. For the command alone.
        .target(
            name: "ImageFiles",
            linkerSettings: [.linkedLibrary("png16"), .linkedLibrary("jpeg"), .linkedLibrary("z"), .linkedLibrary("m")]),

        // MARK: - Reading what others wrote

        // What every room may use: Failure, checked sizes, JSON. Knows nothing.
        .target(name: "Basics"),
        // safetensors and Hugging Face directories: bytes to named tensors. Never trusts a byte.
        .target(name: "Checkpoints", dependencies: ["Basics"]),
        // tokenizer.json and vocab.txt: text to token ids and back.
        .target(name: "Tokenizers", dependencies: ["Basics", "CPCRE2", "CUtf8proc"]),

        // MARK: - The engine

        // Buffers, the workspace, packed matrices, codecs.
        .target(name: "Tensors", dependencies: ["Basics", "Kernels"]),
        // Pixels to what networks take: resampling, cropping, normalizing as preprocessor_config.json says.
        .target(name: "Images", dependencies: ["Basics", "Tensors"]),
        // Norms, mixers, channels, token maps: one file per variant.
        .target(name: "Blocks", dependencies: ["Basics", "Images", "Kernels", "Tensors"]),
        // Architecture, families, loading, the forward pass, sessions.
        .target(name: "Models", dependencies: ["Basics", "Blocks", "Checkpoints", "Images", "Kernels", "Tensors"]),
        // Choosing tokens one after the other: sampling, speculation, continuous batching.
        .target(name: "Generation", dependencies: ["Basics", "Blocks", "Models"]),
        // Submodel specs, views, extraction to a checkpoint.
        .target(name: "Elastic", dependencies: ["Basics", "Blocks", "Checkpoints", "Models", "Tensors"]),

        // MARK: - Faces

        // The public Swift library.
        .target(
            name: "Nestling",
            dependencies: [
                "Basics", "Blocks", "Checkpoints", "Elastic", "Generation", "Images", "Kernels", "Models", "Tensors",
                "Tokenizers",
            ]),
        // The C ABI: `@c @implementation` functions, handles, status codes. Thin: no logic.
        .target(name: "NestlingC", dependencies: ["CNestling", "Nestling"]),
        // The command.
        .executableTarget(
            name: "NestlingCLI",
            dependencies: [
                "ImageFiles", "Nestling", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // MARK: - Tests

        .target(
            name: "TestSupport", dependencies: ["Basics", "Blocks", "Checkpoints", "Images", "Models"],
            path: "Tests/TestSupport"),
        .testTarget(name: "BasicsTests", dependencies: ["Basics"]),
        .testTarget(name: "CheckpointsTests", dependencies: ["Checkpoints"]),
        .testTarget(
            name: "TokenizersTests", dependencies: ["Tokenizers"], exclude: ["Fixtures", "Generators"]),
        .testTarget(name: "KernelsTests", dependencies: ["Kernels"]),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
        .testTarget(name: "ImageFilesTests", dependencies: ["Checkpoints", "ImageFiles", "TestSupport"]),
        .testTarget(name: "ImagesTests", dependencies: ["Basics", "Checkpoints", "Images", "TestSupport"]),
        .testTarget(name: "ModelsTests", dependencies: ["Images", "Models", "TestSupport"]),
        .testTarget(
            name: "GenerationTests",
            dependencies: ["Basics", "Blocks", "Elastic", "Generation", "Models", "TestSupport"]),
        .testTarget(name: "ElasticTests", dependencies: ["Elastic", "Tensors", "TestSupport"]),
        .testTarget(name: "NestlingTests", dependencies: ["Nestling", "TestSupport"]),
        .testTarget(name: "NestlingCLITests", dependencies: ["NestlingCLI", "Basics", "TestSupport"]),
    ]
)

for target in package.targets where target.type == .regular || target.type == .executable || target.type == .test {
    var settings = target.swiftSettings ?? []
    settings.append(.enableUpcomingFeature("ExistentialAny"))
    settings.append(.enableUpcomingFeature("MemberImportVisibility"))
    // Not for those who build on this package with some later compiler: `.ci/run` sets it.
    if Context.environment["NESTLING_STRICT"] != nil { settings.append(.treatAllWarnings(as: .error)) }
    target.swiftSettings = settings
}
