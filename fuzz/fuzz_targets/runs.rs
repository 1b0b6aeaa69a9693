#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genred_fuzz::runs::run(data));
