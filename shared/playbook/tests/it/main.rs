//! What loads, what does not, and what is said about it.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod condition_problems;
mod conditions;
mod engagement;
mod hostile;
mod messengers;
mod on_site;
mod problems;
mod schemas;
mod shipped;
mod warnings;
mod web_push;
mod webhooks;
mod whole;

use std::collections::BTreeMap;

/// The smallest complete playbook.
fn small() -> BTreeMap<String, String> {
    [
        ("sources.yaml", "sources:\n  web:\n    write_key: aaaaaaaaaaaaaaaa\n"),
        ("channels.yaml", "email:\n  from: Shop <hello@shop.example>\nsms:\n"),
        (
            "plays/hello.yaml",
            "title: Hello\ntrigger:\n  event: identify\nvalid_for: 1h\nsteps:\n  - send:\n      message: hi\n      channels: [email, sms]\n",
        ),
        (
            "messages/hi.yaml",
            "locales:\n  en:\n    email:\n      subject: Hi\n      text: Hi {{ user.first_name }}\n    sms:\n      text: Hi\npurpose: transactional\n",
        ),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .collect()
}

/// The small playbook with one part of a file replaced.
fn with(path: &str, from: &str, to: &str) -> BTreeMap<String, String> {
    let mut files = small();
    let text = files.entry(path.to_owned()).or_default();
    assert!(text.contains(from), "{path} has no {from:?}");
    *text = text.replacen(from, to, 1);
    files
}
