//! Names of interfaces, `namespace:package/interface@version`, and which versions stand in for each other.

/// A name of an interface, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InterfaceName<'n> {
    /// `namespace:package/interface`
    pub(crate) path: &'n str,
    /// Without the `@`.
    pub(crate) version: Option<&'n str>,
}

impl<'n> InterfaceName<'n> {
    /// Takes `name` apart; nothing where it is a plain name.
    pub(crate) fn parse(name: &'n str) -> Option<Self> {
        let (path, version) = match name.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (name, None),
        };
        (path.contains(':') && path.contains('/')).then_some(Self { path, version })
    }

    /// `namespace:package`
    pub(crate) fn package(&self) -> &'n str {
        self.path.split_once('/').map_or(self.path, |(package, _)| package)
    }

    /// `interface`
    pub(crate) fn interface(&self) -> &'n str {
        self.path.split_once('/').map_or(self.path, |(_, interface)| interface)
    }

    /// What two versions must share for one to stand in for the other, as the engine's linker sees it: the major
    /// number, or of `0.x` the minor one. Pre-releases stand in for nothing.
    pub(crate) fn track(&self) -> Option<&'n str> {
        let version = self.version?;
        if version.contains('-') || version.contains('+') {
            return None;
        }
        let parts = if version.starts_with("0.") { 2 } else { 1 };
        let end = version.match_indices('.').nth(parts - 1).map(|(at, _)| at)?;
        version.get(..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let name = InterfaceName::parse("wasi:cli/run@0.2.6").unwrap();
        assert_eq!((name.path, name.package(), name.interface()), ("wasi:cli/run", "wasi:cli", "run"));
        assert_eq!(name.track(), Some("0.2"));
        assert_eq!(InterfaceName::parse("a:b/c@1.2.3").unwrap().track(), Some("1"));
        assert_eq!(InterfaceName::parse("a:b/c@0.2.0-draft").unwrap().track(), None);
        assert_eq!(InterfaceName::parse("a:b/c").unwrap().track(), None);
        assert_eq!(InterfaceName::parse("add"), None);
    }
}
