#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    agentmesh_core::fuzzing::run("socket-io", data);
});
