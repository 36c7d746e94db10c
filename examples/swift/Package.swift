// swift-tools-version: 6.2
import PackageDescription

// Elsewhere the dependency would be .package(url: "<address of the repository>", from: "0.1.0").
let package = Package(
    name: "example",
    dependencies: [.package(name: "nestling", path: "../..")],
    targets: [
        .executableTarget(name: "Example", dependencies: [.product(name: "Nestling", package: "nestling")])
    ]
)
