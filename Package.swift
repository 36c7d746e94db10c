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
    ],
    targets: [
        // MARK: - C

        // SIMD kernels per instruction set, run-time dispatch, the thread pool. Knows nothing.
        .target(name: "NestlingKernels", path: "Sources/Kernels"),
        // The public header, as Swift sees it.
        .systemLibrary(name: "CNestling", path: "include"),
        // Regular expressions and Unicode normalization for tokenizers.
        .systemLibrary(name: "NestlingCPCRE2", path: "Sources/CPCRE2", providers: [.apt(["libpcre2-dev"])]),
        .systemLibrary(name: "NestlingCUtf8proc", path: "Sources/CUtf8proc", providers: [.apt(["libutf8proc-dev"])]),

        // PNG and JPEG files as pixels: libpng and libjpeg behind functions that return. For the command alone.
        .target(
            name: "NestlingImageFiles", path: "Sources/ImageFiles",
            linkerSettings: [.linkedLibrary("png16"), .linkedLibrary("jpeg"), .linkedLibrary("z"), .linkedLibrary("m")]),

        // MARK: - Reading what others wrote

        // What every room may use: Failure, checked sizes, JSON. Knows nothing.
        .target(name: "NestlingBasics", path: "Sources/Basics"),
        // safetensors and Hugging Face directories: bytes to named tensors. Never trusts a byte.
        .target(name: "NestlingCheckpoints", dependencies: ["NestlingBasics"], path: "Sources/Checkpoints"),
        // tokenizer.json and vocab.txt: text to token ids and back.
        .target(
            name: "NestlingTokenizers", dependencies: ["NestlingBasics", "NestlingCPCRE2", "NestlingCUtf8proc"],
            path: "Sources/Tokenizers"),

        // MARK: - The engine

        // Buffers, the workspace, packed matrices, codecs.
        .target(name: "NestlingTensors", dependencies: ["NestlingBasics", "NestlingKernels"], path: "Sources/Tensors"),
        // Pixels to what networks take: resampling, cropping, normalizing as preprocessor_config.json says.
        .target(name: "NestlingImages", dependencies: ["NestlingBasics", "NestlingTensors"], path: "Sources/Images"),
        // Norms, mixers, channels, token maps: one file per variant.
        .target(
            name: "NestlingBlocks",
            dependencies: ["NestlingBasics", "NestlingImages", "NestlingKernels", "NestlingTensors"],
            path: "Sources/Blocks"),
        // Architecture, families, loading, the forward pass, sessions.
        .target(
            name: "NestlingModels",
            dependencies: [
                "NestlingBasics", "NestlingBlocks", "NestlingCheckpoints", "NestlingImages", "NestlingKernels",
                "NestlingTensors",
            ], path: "Sources/Models"),
        // Choosing tokens one after the other: sampling, speculation, continuous batching.
        .target(
            name: "NestlingGeneration", dependencies: ["NestlingBasics", "NestlingBlocks", "NestlingModels"],
            path: "Sources/Generation"),
        // Submodel specs, views, extraction to a checkpoint.
        .target(
            name: "NestlingElastic",
            dependencies: [
                "NestlingBasics", "NestlingBlocks", "NestlingCheckpoints", "NestlingModels", "NestlingTensors",
            ], path: "Sources/Elastic"),

        // MARK: - Faces

        // The public Swift library.
        .target(
            name: "Nestling",
            dependencies: [
                "NestlingBasics", "NestlingBlocks", "NestlingCheckpoints", "NestlingElastic", "NestlingGeneration",
                "NestlingImages", "NestlingKernels", "NestlingModels", "NestlingTensors",
                "NestlingTokenizers",
            ]),
        // The C ABI: `@c @implementation` functions, handles, status codes. Thin: no logic.
        .target(name: "NestlingC", dependencies: ["CNestling", "Nestling"]),

        // MARK: - Tests

        .target(
            name: "NestlingTestSupport",
            dependencies: [
                "NestlingBasics", "NestlingBlocks", "NestlingCheckpoints", "NestlingImages", "NestlingModels",
            ],
            path: "Tests/TestSupport"),
        .testTarget(name: "BasicsTests", dependencies: ["NestlingBasics"]),
        .testTarget(name: "CheckpointsTests", dependencies: ["NestlingCheckpoints"]),
        .testTarget(
            name: "TokenizersTests", dependencies: ["NestlingTokenizers"], exclude: ["Fixtures", "Generators"]),
        .testTarget(name: "KernelsTests", dependencies: ["NestlingKernels"]),
        .testTarget(name: "TensorsTests", dependencies: ["NestlingTensors"]),
        .testTarget(
            name: "ImageFilesTests", dependencies: ["NestlingCheckpoints", "NestlingImageFiles", "NestlingTestSupport"]),
        .testTarget(
            name: "ImagesTests",
            dependencies: ["NestlingBasics", "NestlingCheckpoints", "NestlingImages", "NestlingTestSupport"]),
        .testTarget(name: "ModelsTests", dependencies: ["NestlingImages", "NestlingModels", "NestlingTestSupport"]),
        .testTarget(
            name: "GenerationTests",
            dependencies: [
                "NestlingBasics", "NestlingBlocks", "NestlingElastic", "NestlingGeneration", "NestlingModels",
                "NestlingTestSupport",
            ]),
        .testTarget(name: "ElasticTests", dependencies: ["NestlingElastic", "NestlingTensors", "NestlingTestSupport"]),
        .testTarget(name: "NestlingTests", dependencies: ["Nestling", "NestlingTestSupport"]),
    ]
)

// The command is left out unless the environment asks for it, as the Makefile does: SwiftPM fetches what any product of a
// dependency needs, and programs that use the library should not fetch the command's packages.
if Context.environment["NESTLING_BUILDS_COMMAND"] != nil {
    package.products.append(.executable(name: "nestling", targets: ["NestlingCLI"]))
    package.dependencies.append(.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"))
    package.targets += [
        .executableTarget(
            name: "NestlingCLI",
            dependencies: [
                "NestlingImageFiles", "Nestling", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(name: "NestlingCLITests", dependencies: ["NestlingCLI", "NestlingBasics", "NestlingTestSupport"]),
    ]
}

for target in package.targets where target.type == .regular || target.type == .executable || target.type == .test {
    var settings = target.swiftSettings ?? []
    settings.append(.enableUpcomingFeature("ExistentialAny"))
    settings.append(.enableUpcomingFeature("MemberImportVisibility"))
    // Not for those who build on this package with some later compiler: `.ci/run` sets it.
    if Context.environment["NESTLING_STRICT"] != nil { settings.append(.treatAllWarnings(as: .error)) }
    target.swiftSettings = settings
}
