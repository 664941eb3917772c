#!/usr/bin/env bash
# Makes what a release of the Swift package carries, on a Mac with Xcode and rustup: the native library for iOS, its simulators and macOS
# as an XCFramework, its zip, the checksum that SwiftPM wants, and the package that names them. Everything goes to target/xcframework/.
#
#     scripts/xcframework.sh VERSION
#
# Cannot run elsewhere: there it says so and exits with 3. Tests only check its syntax.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?the version of the release}
say() { echo "xcframework: $*" >&2; }
[ "$(uname -s)" = Darwin ] && command -v xcodebuild >/dev/null || {
  say "an XCFramework is made on a Mac with Xcode"
  exit 3
}

out=$PWD/target/xcframework
source=$PWD/bindings/swift
rm -rf "$out"
mkdir -p "$out/headers/AgentMeshFFI" "$out/lib"
export IPHONEOS_DEPLOYMENT_TARGET=15.0 MACOSX_DEPLOYMENT_TARGET=12.0

targets=(aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin x86_64-apple-darwin)
rustup target add "${targets[@]}"
for target in "${targets[@]}"; do
  say "building for $target"
  cargo rustc --release -p agentmesh-uniffi --crate-type staticlib --target "$target"
done

say "generating the sources"
cargo build --release -p agentmesh-uniffi --features bindgen
python3 "$source/generate.py" target/release/uniffi-bindgen target/release/libagentmesh_uniffi.dylib
cp "$source/Sources/AgentMeshFFI/AgentMeshFFI.h" "$out/headers/AgentMeshFFI/"
sed '/link /d' "$source/Sources/AgentMeshFFI/module.modulemap" >"$out/headers/AgentMeshFFI/module.modulemap"

built() { echo "target/$1/release/libagentmesh_uniffi.a"; }
join() {
  local name=$1
  shift
  mkdir -p "$out/lib/$name"
  lipo -create "$@" -output "$out/lib/$name/libagentmesh_uniffi.a"
}
join ios "$(built aarch64-apple-ios)"
join simulator "$(built aarch64-apple-ios-sim)" "$(built x86_64-apple-ios)"
join macos "$(built aarch64-apple-darwin)" "$(built x86_64-apple-darwin)"
libraries=()
for name in ios simulator macos; do
  libraries+=(-library "$out/lib/$name/libagentmesh_uniffi.a" -headers "$out/headers")
done
xcodebuild -create-xcframework "${libraries[@]}" -output "$out/AgentMeshFFI.xcframework"
(cd "$out" && zip -qry AgentMeshFFI.xcframework.zip AgentMeshFFI.xcframework)
checksum=$(swift package compute-checksum "$out/AgentMeshFFI.xcframework.zip")

say "the package"
mkdir -p "$out/package"
cp -R "$source/Sources" "$source/README.md" LICENSE "$out/package/"
url=https://github.com/agentmesh-sdk/agentmesh-swift/releases/download/$version/AgentMeshFFI.xcframework.zip
sed -e "s|path: \"AgentMeshFFI.xcframework\"|url: \"$url\", checksum: \"$checksum\"|" \
  -e '/testTarget(/d' "$source/Package.swift" >"$out/package/Package.swift"
swift package --package-path "$out/package" describe >/dev/null
echo "$checksum"
