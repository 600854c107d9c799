//! A small playbook, recordings in memory, and how they are played.

use std::collections::BTreeMap;
use std::io::Write;

use kairos_backtest::{BacktestError, File, Options, Progress, PurchaseColumns, Reachable, Report, run};
use kairos_engine::program::Program;
use kairos_engine::time::{Span, Timestamp};

/// A shop with an email and a webhook: carts that are left, visitors who sign up, orders, and one segment.
pub(crate) const FILES: &[(&str, &str)] = &[
    (
        "sources.yaml",
        "sources:\n  web: {write_key: web_key_of_the_tests}\n  server: {write_key: server_key_of_the_tests}\n",
    ),
    (
        "channels.yaml",
        "email: {from: Shop <hello@shop.example>}\nwebhooks: {shop: {url: \"https://shop.example/hook\"}}\n",
    ),
    (
        "plays/abandoned_cart.yaml",
        "title: Abandoned cart\n\
         trigger: {absence: {after: Product Added, of: Order Completed, for: 30m}}\n\
         goal: {event: Order Completed, within: 1d}\n\
         valid_for: 6h\n\
         caps: [{at_most: 1, per: 24h}]\n\
         steps: [{send: {message: cart, channels: [email]}}]\n",
    ),
    (
        "plays/thanks.yaml",
        "title: Thanks\n\
         trigger: {event: Order Completed}\n\
         valid_for: 1d\n\
         steps: [{send: {message: thanks, channels: [webhook]}}]\n",
    ),
    (
        "segments/viewers.yaml",
        "title: Viewers of three products\nwho: {did: {event: Product Viewed, at_least: 3, within: 1d}}\n",
    ),
    ("messages/cart.yaml", "default_locale: en\nlocales: {en: {email: {subject: Your cart, text: Still there.}}}\n"),
    ("messages/thanks.yaml", "default_locale: en\nlocales: {en: {webhook: {text: Thanks.}}}\n"),
];

/// The playbook with some files replaced or added.
pub(crate) fn program(changes: &[(&str, &str)]) -> Program {
    let files: BTreeMap<String, String> =
        FILES.iter().chain(changes).map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let loaded = kairos_playbook::compile(&files).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))
    });
    Program::new(loaded.playbook).unwrap()
}

pub(crate) fn options() -> Options {
    Options {
        format: None,
        purchases: PurchaseColumns::default(),
        window: None,
        until: Span::from_hours(1),
        threads: 2,
        now: Timestamp::parse("2026-11-22T00:00:00Z").unwrap(),
        source: None,
        currency: None,
        reachable: Reachable { email: true, sms: false, visitors: false },
        users: false,
    }
}

pub(crate) fn file(name: &str, text: impl Into<Vec<u8>>) -> File {
    File { name: name.to_owned(), input: Box::new(std::io::Cursor::new(text.into())) }
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

pub(crate) fn play(files: Vec<File>, options: &Options) -> Result<Report, BacktestError> {
    run(&program(&[]), None, files, options, &Progress::default())
}

pub(crate) fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).unwrap()
}
