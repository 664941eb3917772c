// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "examples",
    platforms: [.macOS(.v12)],
    // Outside of this repository: .package(url: "https://github.com/agentmesh-sdk/agentmesh-swift", from: "0.3.0").
    dependencies: [.package(path: "../../../bindings/swift")],
    targets: [
        .executableTarget(name: "quickstart", dependencies: [.product(name: "AgentMesh", package: "swift")]),
        .executableTarget(name: "echo-agent", dependencies: [.product(name: "AgentMesh", package: "swift")]),
    ],
    swiftLanguageVersions: [.v5]
)
