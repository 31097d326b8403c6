//! What the command line says about how scenarios are played.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind, Result};

/// How scenarios are played.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The rung that the tool is told to take.
    pub rung: Option<String>,
    /// Whether single events are left out, which take a second observer.
    pub counts_only: bool,
    /// Whether the tool starts anew for every scenario.
    pub fresh: bool,
    /// Whether the tool attaches the hooks that wait for a request.
    pub(crate) causes: bool,
    /// Where programs are that scenarios start, by name; others are searched in PATH.
    pub(crate) programs: BTreeMap<String, PathBuf>,
    /// What the randomised scenario draws from; by chance where it is not given.
    pub seed: Option<u64>,
}

impl Settings {
    /// Adds `NAME=PATH`.
    ///
    /// # Errors
    /// Where the text has another form.
    pub fn add_program(&mut self, text: &str) -> Result<()> {
        let Some((name, path)) =
            text.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty())
        else {
            return Err(Failure::new(Kind::Usage, format!("'{text}' names no program"))
                .advise("write --with NAME=PATH, for example --with nginx=/usr/sbin/nginx"));
        };
        self.programs.insert(name.to_owned(), PathBuf::from(path));
        Ok(())
    }

    /// Where a program is; `None` where it is not installed.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        if let Some(path) = self.programs.get(name) {
            return path.is_file().then(|| path.clone());
        }
        // A user's PATH often lacks the directories of servers.
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(["/usr/sbin", "/usr/local/sbin"].map(|dir| Path::new(dir).to_owned()))
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_with_its_path() {
        let mut settings = Settings::default();
        settings.add_program("sh=/bin/sh").unwrap();
        assert_eq!(settings.program("sh"), Some(PathBuf::from("/bin/sh")));
        settings.add_program("gone=/nowhere/gone").unwrap();
        assert_eq!(settings.program("gone"), None);
        for text in ["", "nginx", "=/bin/sh", "nginx="] {
            assert_eq!(settings.add_program(text).unwrap_err().kind, Kind::Usage, "{text:?}");
        }
    }
}
