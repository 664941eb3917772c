// swift-tools-version: 5.9
import PackageDescription

// The native library. On Apple's systems it is in an XCFramework, which scripts/xcframework.sh makes and a release carries; elsewhere
// it is a shared library that the linker finds, by -L or in a directory of the system.
#if os(Linux)
let library = Target.systemLibrary(name: "AgentMeshFFI", path: "Sources/AgentMeshFFI")
#else
let library = Target.binaryTarget(name: "AgentMeshFFI", path: "AgentMeshFFI.xcframework")
#endif

let package = Package(
    name: "AgentMesh",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "AgentMesh", targets: ["AgentMesh"])],
    targets: [
        library,
        .target(name: "AgentMesh", dependencies: ["AgentMeshFFI"]),
        .testTarget(name: "AgentMeshTests", dependencies: ["AgentMesh"]),
    ],
    swiftLanguageVersions: [.v5]
)
