//! Further files of a configuration: which ones a list of paths and patterns means, and what may stand in them.
//!
//! Refuses: settings in an included file. There is one place where each is looked for, and the order of files decides
//! nothing but the order of routes that are otherwise equal. An included file includes no others for the same reason.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use glob::Pattern;

use super::codes::{Lint, Mistake};
use super::diagnostic::Problem;
use super::environment::Environment;
use super::file::{File, Included, Text};
use super::files::MATCHING;
use super::read::read as read_text;
use super::sources::Sources;

/// Files that a configuration may include: one for each of a thousand teams. Each is opened, and a reload watches it.
const FILES: usize = 1024;

/// Reads what `file` includes and adds it; its paths are relative to the folder of the file, if it is one. Gives warnings.
pub(super) fn read(
    file: &mut File,
    main: Option<&Path>,
    sources: &mut Sources,
    environment: &Environment<'_>,
) -> Result<Vec<Problem>, Problem> {
    let mut warnings = Vec::new();
    let mut seen: HashSet<PathBuf> = main.and_then(|main| main.canonicalize().ok()).into_iter().collect();
    for written in std::mem::take(&mut file.include) {
        let folder = main.ok_or_else(|| not_a_file(&written))?.parent().unwrap_or(Path::new(""));
        let paths = paths(folder, &written, sources)?;
        if paths.is_empty() {
            warnings.push(nothing(&written));
        }
        for path in paths {
            // A file that several patterns mean is read once; the one that includes is not included.
            if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                sources.pass_over(&path);
                continue;
            }
            if seen.len() > 1 + FILES {
                return Err(too_many(&written));
            }
            let number = sources.read(&path, Some(written.span()))?;
            add(file, read_text(sources.text(number), environment)?)?;
        }
    }
    Ok(warnings)
}

/// The files that a path or a pattern means, in the order of their names.
fn paths(folder: &Path, written: &Text, sources: &mut Sources) -> Result<Vec<PathBuf>, Problem> {
    let text = &**written.get_ref();
    if !text.contains(['*', '?', '[']) {
        return Ok(vec![folder.join(text)]);
    }
    let bad = |why: &str| {
        Problem::at(Mistake::BadInclude, written.span(), format!("`{written}` is not a pattern of paths: {why}")).help(
            "`*` stands for any part of a name, `**` for any folders, `?` for one character, `[ab]` for one of some",
        )
    };
    let folder = Pattern::escape(&folder.display().to_string());
    let pattern = Path::new(&folder).join(text).display().to_string();
    let found = glob::glob_with(&pattern, MATCHING).map_err(|error| bad(error.msg))?;
    sources.add_pattern(&pattern);
    let found = found.collect::<Result<Vec<PathBuf>, _>>().map_err(|error| unreadable(written, &error))?;
    let mut files: Vec<PathBuf> = found.into_iter().filter(|path| !path.is_dir()).collect();
    files.sort();
    Ok(files)
}

fn add(file: &mut File, included: Included) -> Result<(), Problem> {
    file.routes.extend(included.routes);
    for (name, pool) in included.pools {
        if let Some((first, _)) = file.pools.get_key_value(&name) {
            return Err(twice(&name, first));
        }
        file.pools.insert(name, pool);
    }
    Ok(())
}

/// Whether a name that stands in two files is meant to be one pool is not for the order of files to decide.
fn twice(again: &Text, first: &Text) -> Problem {
    Problem::at(Mistake::DuplicatePool, again.span(), format!("two pools are called `{again}`"))
        .label("again here")
        .and_at(first.span(), "first here")
        .help("rename one of them, with the routes that name it, or list all the servers in one place")
}

fn nothing(written: &Text) -> Problem {
    Problem::at(Lint::EmptyInclude, written.span(), format!("no file matches `{written}`")).help(
        "paths are relative to the folder of the file that names them; correct the pattern, or remove it",
    )
}

fn not_a_file(written: &Text) -> Problem {
    Problem::at(
        Mistake::IncludeWithoutFile,
        written.span(),
        "a configuration that does not come from a file includes no others",
    )
    .help("write here what the other files say")
}

fn too_many(written: &Text) -> Problem {
    Problem::at(
        Mistake::TooManyFiles,
        written.span(),
        format!("a configuration includes at most {FILES} files"),
    )
    .label("more with these")
    .help("put several services into one file, or write a pattern that matches fewer")
}

fn unreadable(written: &Text, error: &glob::GlobError) -> Problem {
    let (path, error) = (error.path().display(), error.error());
    Problem::at(
        Mistake::UnreadableFolder,
        written.span(),
        format!("cannot read the folder `{path}`: {error}"),
    )
    .help("let the user that runs ringgate read it, or write a pattern that leaves it out")
}
