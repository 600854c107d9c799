//! The examples for `cargo lambda invoke` are requests that do what their names say.

use std::path::Path;

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use kairos_engine::playbook::Source;
use kairos_ingest::resolve::{Resolved, resolve};

use crate::support::*;

/// The write key of the shipped example playbook.
const EXAMPLE_KEY: &str = "example_website_key_change_me";

fn outcome(name: &str) -> (usize, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(name);
    let request: LambdaFunctionUrlRequest = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let sources = [Source { name: "web".into(), write_key: EXAMPLE_KEY.into() }];
    match resolve(&request, Some(&sources), at(RECEIVED)) {
        Resolved::Submission(submission) => (submission.accepted, submission.refused.len()),
        Resolved::Answer { response, outcome } => {
            assert_eq!((outcome, response.status_code), ("preflights", 204), "{name}");
            (0, 0)
        }
    }
}

#[test]
fn every_example_does_what_its_name_says() {
    for (name, expected) in [
        ("batch.json", (3, 0)),
        ("batch-with-refused.json", (1, 2)),
        ("gzip-batch.json", (2, 0)),
        ("identify.json", (1, 0)),
        ("pixel.json", (1, 0)),
        ("preflight.json", (0, 0)),
    ] {
        assert_eq!(outcome(name), expected, "{name}");
    }
}
