//! What tests stand on: engines, shoppers, clients, receivers, and waiting for what must come.

pub(crate) mod built;
pub(crate) mod messengers;
pub(crate) mod playbook;
pub(crate) mod receiver;
pub(crate) mod shopper;
pub(crate) mod stage;
pub(crate) mod world;

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

pub(crate) use shopper::Shopper;
pub(crate) use stage::Stage;

/// How long something may take that normally takes a fraction of a second: machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// How long to wait between two looks at something that changes by itself.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Connections outlive the test that opened them, so all tests share one runtime.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be started")
});

/// Runs a test.
pub(crate) fn run(test: impl Future<Output = ()>) {
    RUNTIME.block_on(test);
}

/// Tells a person something about a test that passed; the test runner swallows what is printed otherwise.
pub(crate) fn tell(text: impl Display) {
    // Nobody to tell is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "      {text}");
}

/// Waits until `look` finds what it looks for, and gives that. When it does not within `patience`, fails with `what`
/// was expected and what the last look found instead.
pub(crate) async fn eventually<T>(
    what: impl Display,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(found) if started.elapsed() > patience => {
                panic!("expected within {} s: {what}\nfound: {found}", patience.as_secs())
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// The project's directory.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a directory of the project").to_owned()
}

/// `p50 12 ms, p99 40 ms, max 41 ms` of some durations in milliseconds.
pub(crate) fn spread(mut durations_ms: Vec<i64>) -> String {
    durations_ms.sort_unstable();
    let at = |percent: usize| durations_ms[(durations_ms.len() - 1) * percent / 100];
    format!("p50 {} ms, p99 {} ms, max {} ms of {}", at(50), at(99), at(100), durations_ms.len())
}
