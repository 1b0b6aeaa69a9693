#![no_main]

use std::sync::Once;

static HOOK: Once = Once::new();

/// Panics of decoders are caught and end their stream; ours are findings. libFuzzer ends at any.
///
/// One that nobody catches is a finding still: it ends the target.
fn tell_panics_apart() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let foreign = |file: &str| file.contains("/registry/src/") || file.contains("/library/");
        if !panic.location().is_some_and(|place| foreign(place.file())) {
            tell(panic);
            std::process::abort();
        }
    }));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    HOOK.call_once(tell_panics_apart);
    genred_fuzz::decode::run(data);
});
