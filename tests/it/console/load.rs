//! How fast the overview is beside a page with nothing on it, with the figures of a million users; and how much is loaded.

use std::time::Instant;

use super::Console;
use crate::harness::{run, spread, tell};

/// How often each page is asked for.
const TIMES: usize = 30;
/// What a page may weigh with all it loads, as it goes over the wire.
const PAGE_BYTES_MAX: usize = 150 * 1024;

#[test]
fn the_overview_of_a_million_users_is_told_beside_an_empty_page() {
    run(async {
        let console = Console::open().await;
        let _alone = Console::alone().await;
        let cookie = console.log_in().await;
        let mut took_ms = [
            ("an empty page", "/nothing", Vec::new()),
            ("the overview", "/", Vec::new()),
            ("90 days of it", "/?period=90d", Vec::new()),
        ];
        // The first one of each fills what is kept in the process.
        for (_, path, _) in &took_ms {
            console.get(path, &cookie).await;
        }
        for _ in 0..TIMES {
            for (_, path, took_ms) in &mut took_ms {
                let asked = Instant::now();
                console.get(path, &cookie).await;
                took_ms.push(asked.elapsed().as_millis() as i64);
            }
        }
        let median = |took_ms: &[i64]| {
            let mut sorted = took_ms.to_vec();
            sorted.sort_unstable();
            sorted[sorted.len() / 2] as f64
        };
        let empty = median(&took_ms[0].2);
        for (what, _, took_ms) in &took_ms {
            let ratio = median(took_ms) / empty.max(1.0);
            tell(format!("console: {what}: {}, {ratio:.1} × an empty page", spread(took_ms.clone())));
        }
    });
}

#[test]
fn a_page_with_all_it_loads_stays_light() {
    run(async {
        let console = Console::open().await;
        let _alone = Console::alone().await;
        let cookie = console.log_in().await;
        for path in ["/", "/?period=90d", "/plays", "/plays/abandoned_cart", "/funnels", "/segments?period=90d"] {
            let page = console.get(path, &cookie).await;
            let loaded = page.body.match_indices("\"/assets/").map(|(at, _)| &page.body[at + 1..]);
            let mut addresses: Vec<&str> = loaded.map(|rest| rest.split('"').next().unwrap()).collect();
            addresses.sort_unstable();
            addresses.dedup();
            let mut bytes = console.weighed(path, &cookie).await;
            let own = bytes;
            for address in addresses {
                bytes += console.weighed(address, "").await;
            }
            tell(format!("console: {path}: {} KB with all it loads, the page itself {} KB", bytes / 1024, own / 1024));
            assert!(bytes < PAGE_BYTES_MAX, "{path}: {bytes} bytes");
        }
    });
}

impl Console {
    /// How many bytes come over the wire, compressed.
    async fn weighed(&self, path: &str, cookie: &str) -> usize {
        let request = self.stage.http.get(format!("{}{path}", self.url));
        let response = request.header("cookie", cookie).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.bytes().await.unwrap().len()
    }
}
