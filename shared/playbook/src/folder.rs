//! Reads the files of a playbook's folder into memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kairos_engine::bounds::{PLAYBOOK_FILE_BYTES_MAX, PLAYBOOK_FILES_MAX};

use crate::diagnostic::{Diagnostic, Severity};

/// The texts by their path below the folder, with `/` between the parts. Hidden files are passed over,
/// and so is what is neither YAML nor a template.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<String, String>, Vec<Diagnostic>> {
    let mut files = BTreeMap::new();
    let mut problems = Vec::new();
    if folder.is_dir() {
        read_into(folder, "", &mut files, &mut problems);
    } else {
        problems.push(whole_file(
            &folder.display().to_string(),
            "this is not a folder".into(),
            "give the folder of a playbook, the one with sources.yaml in it",
        ));
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

fn read_into(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>, problems: &mut Vec<Diagnostic>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let name = if prefix.is_empty() { "." } else { prefix };
            problems.push(whole_file(name, format!("the folder cannot be read: {error}"), "check its permissions"));
            return;
        }
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                problems.push(whole_file(prefix, format!("the folder cannot be read: {error}"), "try again"));
                return;
            }
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if name.starts_with('.') {
            continue;
        }
        if entry.path().is_dir() {
            // Only one level is a playbook's; what lies deeper is told as not read.
            if prefix.matches('/').count() < 2 {
                read_into(&entry.path(), &format!("{path}/"), files, problems);
            }
            continue;
        }
        if ![".yaml", ".yml", ".liquid", ".mjml"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        if files.len() >= PLAYBOOK_FILES_MAX {
            problems.push(whole_file(
                &path,
                format!("the playbook has more than {PLAYBOOK_FILES_MAX} files"),
                "remove plays and messages that are no longer used",
            ));
            return;
        }
        match read_file(&entry.path()) {
            Ok(text) => {
                files.insert(path, text);
            }
            Err((message, help)) => problems.push(whole_file(&path, message, help)),
        }
    }
}

fn read_file(path: &Path) -> Result<String, (String, &'static str)> {
    let unreadable = |error: std::io::Error| (format!("the file cannot be read: {error}"), "check its permissions");
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > PLAYBOOK_FILE_BYTES_MAX as u64 {
        return Err((format!("the file has {size} bytes, more than {PLAYBOOK_FILE_BYTES_MAX}"), "shorten it"));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| ("the file is not UTF-8 text".to_owned(), "save it as UTF-8"))
}

/// A problem of a file as a whole.
pub(crate) fn whole_file(file: &str, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: 0,
        column: 0,
        severity: Severity::Error,
        excerpt: None,
        message,
        help: Some(help.to_owned()),
    }
}
