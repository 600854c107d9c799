//! Reads the content blocks of messages: `messages/blocks/NAME.liquid`, or `NAME.LOCALE.liquid` by language.

use std::collections::BTreeMap;

use kairos_engine::bounds::BLOCKS_MAX;
use kairos_messages::{Block, Blocks};

use crate::diagnostic::{Found, Place, Report};
use crate::fields::is_name;
use crate::folder::whole_file;
use crate::messages::locale;
use crate::settings::NAME_HELP;

/// Where blocks lie.
pub(crate) const FOLDER: &str = "messages/blocks/";

/// The name of a block and its language, empty for all, by its path.
fn name_and_language(path: &str) -> Option<(&str, String)> {
    let file = path.strip_prefix(FOLDER)?.strip_suffix(".liquid")?;
    match file.split_once('.') {
        None => Some((file, String::new())),
        Some((name, tag)) => Some((name, locale(tag)?)),
    }
}

/// The blocks among the files of a playbook.
pub(crate) fn read(files: &BTreeMap<String, String>, found: &mut Found) -> Blocks {
    let mut blocks: BTreeMap<String, BTreeMap<String, Block>> = BTreeMap::new();
    for (path, source) in files.iter().filter(|(path, _)| path.starts_with(FOLDER) && path.ends_with(".liquid")) {
        match name_and_language(path).filter(|(name, _)| is_name(name)) {
            Some((name, language)) => {
                let block = Block { file: path.clone(), source: source.trim_end().to_owned() };
                if blocks.entry(name.to_owned()).or_default().insert(language, block).is_some() {
                    found.push(whole_file(
                        path,
                        "this block is there twice in the same language".into(),
                        "keep one of them",
                    ));
                }
            }
            None => {
                let help =
                    format!("rename it to NAME.liquid or NAME.LOCALE.liquid, as in footer.en.liquid; {NAME_HELP}");
                found.push(whole_file(path, "this is not how a block is named".into(), &help));
            }
        }
    }
    if blocks.len() > BLOCKS_MAX {
        let message = format!("the playbook has {} blocks, more than {BLOCKS_MAX}", blocks.len());
        found.push(whole_file(FOLDER, message, "remove blocks that are no longer used"));
    }
    Blocks::new(blocks)
}

/// Warns of blocks that no message includes, once the messages are right.
pub(crate) fn check_use(files: &BTreeMap<String, String>, found: &mut Found) {
    if found.errors() > 0 {
        return;
    }
    for (path, source) in files {
        let unused = name_and_language(path).filter(|(name, _)| !found.blocks.contains(*name));
        if let Some((name, _)) = unused {
            let message = format!("no message includes the block `{name}`");
            let help = format!("write `{{% render '{name}' %}}` into a template, or remove the file");
            Report::new(path, source, found).warning(Place { line: 1, column: 1 }, message, help);
        }
    }
}
