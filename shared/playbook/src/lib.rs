//! Reads a playbook, a folder of YAML files and templates, into the compiled form that the engine runs.
//!
//! ```text
//! sources.yaml       where events may come from, with their write keys
//! channels.yaml      how each channel introduces itself
//! consent.yaml       what marketing needs on each channel
//! policy.yaml        what holds for all plays: caps, quiet hours, control group, time zone
//! moments.yaml       evidence of know, go, do and buy; the readiness to buy
//! places.yaml        shops, cafés, showrooms
//! promotions.yaml    what promo codes are good for
//! links.yaml         which links are counted, and where they lead
//! conversions.yaml   what counts as success, and the ways that lead there
//! tracking_plan.yaml which events and traits the shop sends
//! segments/NAME.yaml who belongs together
//! plays/NAME.yaml    what to do when, for whom, how often at most
//! messages/NAME.yaml what to say, by language and channel; emails may stand in NAME.mjml or NAME.liquid beside it
//! messages/blocks/NAME.liquid what messages share, also by language as NAME.LOCALE.liquid
//! ```
//!
//! Everything wrong is told at once, each with file, line, what is wrong and what to write instead; only a
//! file that is no YAML hides its further problems.
//!
//! **Invariant:** a playbook that loads refers to nothing that is not there, and every template in it renders.
//!
//! Reading order: `folder`, `node` (YAML with places), `fields` (typed reading); `values`, `hours`, `events`,
//! `conditions`, `behaviour` (what all files are made of); `settings`, `consent`, `policy`, `moments`, `places`, `promotions`, `links`, `conversions`,
//! `segments`, `blocks`, `mjml`, `text_part`, `messages`, `plays` with `triggers` and `steps` (the files); `tracking`, `possible`, `relations` and `checks` (what
//! can be told only of the whole); `diagnostic`; `cost`; `difference` (what differs between two); `schema` (what editors know of the files).

mod behaviour;
mod blocks;
mod checks;
mod conditions;
mod consent;
mod conversions;
mod cost;
mod diagnostic;
mod difference;
mod events;
mod fields;
mod folder;
mod hours;
mod links;
mod messages;
mod messengers;
mod mjml;
mod moments;
mod node;
mod on_site;
mod places;
mod plays;
mod policy;
mod possible;
mod promotions;
mod push;
mod relations;
mod schema;
mod segments;
mod settings;
mod steps;
mod text_part;
mod tracking;
mod triggers;
mod values;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kairos_engine::bounds::{
    PLAYBOOK_BYTES_MAX, PLAYBOOK_FILE_BYTES_MAX, PLAYBOOK_FILES_MAX, PLAYBOOK_TEXT_BYTES_MAX, PLAYS_MAX, SEGMENTS_MAX,
};
use kairos_engine::playbook::{Channel, ChannelSettings, Message, Playbook, PlaybookVersion};
use kairos_messages::names_in_message;
use sha2::{Digest, Sha256};

pub use cost::{Cost, RegisterCost, cost};
pub use diagnostic::{Diagnostic, Severity};
pub use difference::{Change, Difference, Differences, Side, ValueDifference, differences};
pub use schema::schemas;

use diagnostic::{Found, Report};
use fields::{instead, is_name};
use folder::whole_file;
use node::Node;

/// A playbook that can be put in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub playbook: Playbook,
    /// What is probably not meant, ordered by file and line.
    pub warnings: Vec<Diagnostic>,
}

/// One line about a playbook: its version, and how many of everything it has.
pub fn summary(playbook: &Playbook) -> String {
    let always = ["play", "message", "source"];
    let parts = contents(playbook).into_iter().filter(|(what, count)| *count > 0 || always.contains(what));
    let parts: Vec<String> =
        parts.map(|(what, count)| format!("{count} {what}{}", if count == 1 { "" } else { "s" })).collect();
    format!("version {}: {}", playbook.version, parts.join(", "))
}

/// How many of each kind of thing a playbook has.
pub fn contents(playbook: &Playbook) -> [(&'static str, usize); 6] {
    [
        ("play", playbook.plays.len()),
        ("message", playbook.messages.len()),
        ("segment", playbook.segments.len()),
        ("place", playbook.places.len()),
        ("promotion", playbook.promotions.len()),
        ("source", playbook.sources.len()),
    ]
}

/// Loads the playbook in a folder.
///
/// # Errors
/// Everything that is wrong with it, warnings too, ordered by file and line; at least one is an error.
pub fn load(folder: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    compile(&folder::read(folder)?)
}

/// A playbook to look at, though something may be wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What could be read of it: messages with wrong templates, too. It is not to be put in force.
    pub playbook: Playbook,
    /// Everything that is wrong with it, warnings too, ordered by file and line.
    pub found: Vec<Diagnostic>,
}

/// Reads what can be read of the playbook in a folder, for whoever is still writing it.
///
/// # Errors
/// When the folder cannot be read, or is too large.
pub fn draft(folder: &Path) -> Result<Draft, Vec<Diagnostic>> {
    let files = folder::read(folder)?;
    let mut found = Found::default();
    sizes(&files, &mut found);
    if found.errors() > 0 {
        return Err(found.sorted());
    }
    let (mut playbook, wrong_messages) = read(&files, &mut found);
    playbook.messages.extend(wrong_messages);
    Ok(Draft { playbook, found: found.sorted() })
}

/// Compiles a playbook from its files: their texts by their path below the folder, as in `plays/welcome.yaml`.
///
/// # Errors
/// Everything that is wrong with it, warnings too, ordered by file and line; at least one is an error.
pub fn compile(files: &BTreeMap<String, String>) -> Result<Loaded, Vec<Diagnostic>> {
    let mut found = Found::default();
    sizes(files, &mut found);
    let playbook = if found.errors() == 0 { read(files, &mut found).0 } else { Playbook::default() };
    if found.errors() == 0 { Ok(Loaded { playbook, warnings: found.sorted() }) } else { Err(found.sorted()) }
}

/// The version of a compiled playbook: the first 16 bytes of the SHA-256 of its JSON without a version, in hex.
pub fn version_of(playbook: &Playbook) -> PlaybookVersion {
    version_of_json(&json_without_version(playbook))
}

fn json_without_version(playbook: &Playbook) -> Vec<u8> {
    let unversioned = Playbook {
        version: PlaybookVersion::default(),
        watched_since: BTreeMap::new(),
        retired_segments: Vec::new(),
        ..playbook.clone()
    };
    serde_json::to_vec(&unversioned).expect("a playbook has only string keys and finite numbers")
}

fn version_of_json(json: &[u8]) -> PlaybookVersion {
    let hash = Sha256::digest(json);
    PlaybookVersion(hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn sizes(files: &BTreeMap<String, String>, found: &mut Found) {
    if files.len() > PLAYBOOK_FILES_MAX {
        let message = format!("the playbook has {} files, more than {PLAYBOOK_FILES_MAX}", files.len());
        found.push(whole_file(".", message, "remove plays and messages that are no longer used"));
    }
    for (path, text) in files.iter().filter(|(_, text)| text.len() > PLAYBOOK_FILE_BYTES_MAX) {
        let message = format!("the file has {} bytes, more than {PLAYBOOK_FILE_BYTES_MAX}", text.len());
        found.push(whole_file(path, message, "shorten it"));
    }
    let bytes: usize = files.values().map(String::len).sum();
    if bytes > PLAYBOOK_TEXT_BYTES_MAX {
        let message = format!("the playbook's files have {bytes} bytes, more than {PLAYBOOK_TEXT_BYTES_MAX}");
        found.push(whole_file(".", message, "shorten templates, or remove what is no longer used"));
    }
}

/// What a file of a playbook is, by its path.
enum Role<'a> {
    Sources,
    Channels,
    TrackingPlan,
    Consent,
    Policy,
    Moments,
    Places,
    Promotions,
    Links,
    Conversions,
    Segment(&'a str),
    Play(&'a str),
    Message(&'a str),
    Block,
    Template,
    Unknown,
}

fn role(path: &str) -> Role<'_> {
    let named = |folder: &str| path.strip_prefix(folder)?.strip_suffix(".yaml").filter(|name| !name.contains('/'));
    match path {
        "sources.yaml" => Role::Sources,
        "channels.yaml" => Role::Channels,
        "tracking_plan.yaml" => Role::TrackingPlan,
        "consent.yaml" => Role::Consent,
        "policy.yaml" => Role::Policy,
        "moments.yaml" => Role::Moments,
        "places.yaml" => Role::Places,
        "promotions.yaml" => Role::Promotions,
        "links.yaml" => Role::Links,
        "conversions.yaml" => Role::Conversions,
        _ => match (named("plays/"), named("messages/"), named("segments/")) {
            (Some(name), ..) => Role::Play(name),
            (_, Some(name), _) => Role::Message(name),
            (.., Some(name)) => Role::Segment(name),
            _ if path.starts_with(blocks::FOLDER) && path.ends_with(".liquid") => Role::Block,
            _ if path.starts_with("messages/") && (path.ends_with(".liquid") || path.ends_with(".mjml")) => {
                Role::Template
            }
            _ => Role::Unknown,
        },
    }
}

/// The playbook, and the messages in which something is wrong, as far as they could be read.
fn read(files: &BTreeMap<String, String>, found: &mut Found) -> (Playbook, BTreeMap<String, Message>) {
    let mut playbook = Playbook::default();
    let mut channels = Some(ChannelSettings::default());
    let mut messages = BTreeMap::new();
    let mut wrong_messages = BTreeMap::new();
    let mut plays = Vec::new();
    let mut plan = None;
    let blocks = blocks::read(files, found);
    if !files.contains_key("sources.yaml") {
        let help = "write sources.yaml with a name and a `write_key` for each source of events";
        found.push(whole_file("sources.yaml", "the file is missing".into(), help));
    }
    for (path, text) in files {
        match role(path) {
            Role::Sources => {
                if let Some(root) = yaml(path, text, found) {
                    playbook.sources = settings::sources(&mut Report::new(path, text, found), &root);
                }
            }
            Role::Channels => {
                let before = found.errors();
                let read =
                    yaml(path, text, found).map(|root| settings::channels(&mut Report::new(path, text, found), &root));
                // With a wrong file nobody can say which channels there are.
                channels = read.filter(|_| found.errors() == before);
            }
            Role::Message(name) => {
                let before = found.errors();
                let mut elsewhere = Found::default();
                let message = yaml(path, text, found).and_then(|root| {
                    messages::message(&mut Report::new(path, text, found), &root, files, &blocks, &mut elsewhere)
                });
                found.diagnostics.append(&mut elsewhere.diagnostics);
                found.blocks.append(&mut elsewhere.blocks);
                found.references.append(&mut elsewhere.references);
                check_name(path, name, "message", found);
                let (right, wrong) = if found.errors() == before { (message, None) } else { (None, message) };
                messages.insert(name.to_owned(), right);
                wrong_messages.extend(wrong.map(|message| (name.to_owned(), message)));
            }
            Role::TrackingPlan => {
                plan =
                    yaml(path, text, found).and_then(|root| tracking::plan(&mut Report::new(path, text, found), &root));
            }
            // Read after `channels.yaml`: the files come in the order of their names.
            Role::Consent => {
                playbook.consent = yaml(path, text, found)
                    .map(|root| consent::consent(&mut Report::new(path, text, found), &root, channels.as_ref()));
            }
            Role::Policy => {
                if let Some(root) = yaml(path, text, found) {
                    let report = &mut Report::new(path, text, found);
                    playbook.policy = policy::policy(report, &root, channels.as_ref());
                }
            }
            Role::Moments => {
                if let Some(root) = yaml(path, text, found) {
                    playbook.moments = moments::moments(&mut Report::new(path, text, found), &root);
                }
            }
            Role::Places => {
                if let Some(root) = yaml(path, text, found) {
                    playbook.places = places::places(&mut Report::new(path, text, found), &root);
                }
            }
            Role::Promotions => {
                if let Some(root) = yaml(path, text, found) {
                    playbook.promotions = promotions::promotions(&mut Report::new(path, text, found), &root);
                }
            }
            Role::Links => {
                playbook.links =
                    yaml(path, text, found).and_then(|root| links::links(&mut Report::new(path, text, found), &root));
            }
            Role::Conversions => {
                if let Some(root) = yaml(path, text, found) {
                    playbook.conversions = conversions::conversions(&mut Report::new(path, text, found), &root);
                }
            }
            Role::Segment(name) => {
                check_name(path, name, "segment", found);
                let segment = yaml(path, text, found)
                    .and_then(|root| segments::segment(&mut Report::new(path, text, found), &root, name));
                playbook.segments.extend(segment);
            }
            Role::Play(name) => plays.push((path, name, text)),
            Role::Block | Role::Template => {}
            Role::Unknown => found.push(unknown_file(path)),
        }
    }
    if playbook.segments.len() > SEGMENTS_MAX {
        let message = format!("the playbook has {} segments, more than {SEGMENTS_MAX}", playbook.segments.len());
        found.push(whole_file("segments/", message, "remove segments that are no longer used"));
    }
    segments::check_circles(files, found);
    blocks::check_use(files, found);
    if plays.len() > PLAYS_MAX {
        let message = format!("the playbook has {} plays, more than {PLAYS_MAX}", plays.len());
        found.push(whole_file("plays/", message, "remove plays that are no longer used"));
        return (playbook, wrong_messages);
    }
    let variables = messages.iter().map(|(name, message)| (name.clone(), variables(message.as_ref()))).collect();
    let known = plays::Known { messages: &messages, channels: channels.as_ref(), variables: &variables };
    let mut places = BTreeMap::new();
    for (path, name, text) in plays {
        check_name(path, name, "play", found);
        let read = yaml(path, text, found)
            .and_then(|root| plays::play(&mut Report::new(path, text, found), &root, name, &known));
        if let Some(read) = read {
            playbook.plays.push(read.play);
            places.insert(name, read.places);
        }
    }
    playbook.channels = channels.unwrap_or_default();
    playbook.messages = messages.into_iter().filter_map(|(name, message)| Some((name, message?))).collect();
    let whole =
        checks::Whole { files, playbook: &playbook, plays: &places, variables: &variables, plan: plan.as_ref() };
    checks::check(&whole, found);
    let json = json_without_version(&playbook);
    if json.len() > PLAYBOOK_BYTES_MAX {
        let message = format!("the compiled playbook has {} bytes, more than {PLAYBOOK_BYTES_MAX}", json.len());
        found.push(whole_file(".", message, "shorten templates, or remove what is no longer used"));
    }
    playbook.version = version_of_json(&json);
    (playbook, wrong_messages)
}

/// What the templates of a message show.
fn variables(message: Option<&Message>) -> BTreeSet<String> {
    let templates = message.into_iter().flat_map(|message| message.locales.values());
    let by_channel = templates.flat_map(|templates| Channel::ALL.map(|channel| names_in_message(templates, channel)));
    by_channel.flatten().collect()
}

fn yaml(path: &str, text: &str, found: &mut Found) -> Option<Node> {
    node::read(text)
        .map_err(|(at, message)| {
            let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
            let help = if message.ends_with("stands here twice") {
                "keep one of them"
            } else if message.starts_with("this is nested") {
                "say it more simply; what is shared can be a segment of its own"
            } else if message.starts_with("a second document") {
                "write each play, segment and message into a file of its own"
            } else if message.starts_with("this file has too many") {
                "shorten it, and write out what aliases (`*name`) repeat"
            } else if message.starts_with("this number") {
                "write a number, as in `3`"
            } else if line.contains(": {{") || line.contains(": {%") {
                "put a text that begins with `{` into quotes, or below a `|`"
            } else {
                "look at the indentation, quotes and brackets around this place"
            };
            Report::new(path, text, found).problem(at, message, help);
        })
        .ok()
}

fn check_name(path: &str, name: &str, what: &str, found: &mut Found) {
    if !is_name(name) {
        let message = format!("`{name}` cannot be the name of a {what}");
        found.push(whole_file(path, message, &format!("rename the file: {}", settings::NAME_HELP)));
    }
}

fn unknown_file(path: &str) -> Diagnostic {
    let help = if path.ends_with(".yml") {
        "rename it to end in `.yaml`".to_owned()
    } else {
        let there_are = [
            "sources.yaml",
            "channels.yaml",
            "consent.yaml",
            "policy.yaml",
            "moments.yaml",
            "places.yaml",
            "promotions.yaml",
            "links.yaml",
            "tracking_plan.yaml",
            "segments/NAME.yaml",
            "plays/NAME.yaml",
            "messages/NAME.yaml",
            "messages/NAME.liquid",
            "messages/NAME.mjml",
            "messages/blocks/NAME.liquid",
        ];
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        match (folder, fields::closest(folder, ["plays", "messages", "segments"])) {
            ("", _) => instead(name, &there_are),
            (_, Some(meant)) if meant != folder => format!("did you mean `{meant}/{name}`?"),
            _ => instead(path, &there_are),
        }
    };
    whole_file(path, "this file is not read: its place has no meaning in a playbook".into(), &help)
}
