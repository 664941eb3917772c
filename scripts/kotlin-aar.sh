#!/usr/bin/env bash
# Assembles what goes to Maven Central: the jar with the native libraries of desktops that are given (`NATIVES`, a directory of JNA's
# directories such as linux-x86-64), and an AAR with those of Android. Everything it makes is in target/kotlin/package. Needs the
# NDK (`ANDROID_NDK_HOME`) and the Rust targets of Android. Exits with 3 without: where the library is tested there is neither, and only
# its syntax is checked.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/target/kotlin/package
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# The oldest Android whose system libraries are enough.
api=26

say() { echo "kotlin-aar: $*" >&2; }

[ -d "${ANDROID_NDK_HOME:-}" ] || {
  say "an AAR needs Android's NDK, which ANDROID_NDK_HOME does not name"
  exit 3
}
case $(uname -s) in
Darwin) host=darwin-x86_64 ;;
*) host=linux-x86_64 ;;
esac
tools=$ANDROID_NDK_HOME/toolchains/llvm/prebuilt/$host/bin

rm -rf "$out"
mkdir -p "$out/aar/jni"
# Rust's name, the linker's name, Android's name.
while read -r target linker abi; do
  say "building for $abi"
  rustup target add "$target"
  variable=$(echo "$target" | tr 'a-z-' 'A-Z_')
  # Pages of 16 KiB: since Android 15 there are devices that load nothing else.
  env "CARGO_TARGET_${variable}_LINKER=$tools/$linker$api-clang" \
    "CARGO_TARGET_${variable}_RUSTFLAGS=-C link-arg=-Wl,-z,max-page-size=16384" \
    "CC_${target//-/_}=$tools/$linker$api-clang" "AR_${target//-/_}=$tools/llvm-ar" \
    cargo build --quiet --package agentmesh-uniffi --profile wheel --target "$target"
  mkdir -p "$out/aar/jni/$abi"
  library=$out/aar/jni/$abi/libagentmesh_uniffi.so
  cp "target/$target/wheel/libagentmesh_uniffi.so" "$library"
  # Every segment that is loaded.
  "$tools/llvm-readelf" --program-headers --wide "$library" | awk '$1 == "LOAD" && strtonum($NF) < 16384 { bad = 1 } END { exit bad }' || {
    say "$abi is not aligned to 16 KiB"
    exit 1
  }
done <<'TARGETS'
aarch64-linux-android aarch64-linux-android arm64-v8a
armv7-linux-androideabi armv7a-linux-androideabi armeabi-v7a
x86_64-linux-android x86_64-linux-android x86_64
TARGETS

say "compiling"
scripts/kotlin.sh install
mvn --quiet --batch-mode --no-transfer-progress --file bindings/kotlin/pom.xml package -DskipTests \
  -Dagentmesh.natives="${NATIVES:-$PWD/target/kotlin/natives}"
cp "target/kotlin/maven/agentmesh-$version.jar" "$out/"

say "assembling the AAR"
cp "target/kotlin/maven/agentmesh-$version.jar" "$out/aar/classes.jar"
zip --quiet --delete "$out/aar/classes.jar" '*.so' '*.dylib' '*.dll' || true
: >"$out/aar/R.txt"
cat >"$out/aar/AndroidManifest.xml" <<MANIFEST
<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="dev.agentmesh">
  <uses-sdk android:minSdkVersion="$api" />
  <uses-permission android:name="android.permission.INTERNET" />
</manifest>
MANIFEST
# JNA finds both by their names.
cat >"$out/aar/proguard.txt" <<'RULES'
-keep class com.sun.jna.** { *; }
-keep class dev.agentmesh.internal.** { *; }
-dontwarn java.awt.**
RULES
(cd "$out/aar" && zip --quiet --recurse-paths "../agentmesh-android-$version.aar" .)
say "made $out/agentmesh-$version.jar and $out/agentmesh-android-$version.aar"
