//! Writes the Kotlin or Swift source that calls the library: `uniffi-bindgen generate LIBRARY --language kotlin …`.

fn main() {
    uniffi::uniffi_bindgen_main();
}
