//! What the kernel tells of this process in `/proc/self/stat`.

/// What is read of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Stat {
    /// Processor time in user and in system mode.
    pub ticks: u64,
    /// The same of children that have ended.
    pub ticks_children: u64,
    /// Threads that run.
    pub threads: u64,
    /// Address space, in bytes.
    pub virtual_bytes: u64,
    /// Memory in use, in pages.
    pub resident_pages: u64,
}

impl Stat {
    /// What it is now; nothing where the kernel does not tell.
    pub fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// Reads the kernel's line.
    pub fn parse(text: &str) -> Option<Self> {
        // the name of the program stands in brackets and may have anything in it
        let (_, rest) = text.rsplit_once(") ")?;
        let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: field(14)?.checked_add(field(15)?)?,
            ticks_children: field(16)?.checked_add(field(17)?)?,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read_whatever_the_program_is_called() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 10 20 3 4 20 0 9 0 100 8192 5 18446744073709551615 1";
        let stat = Stat { ticks: 30, ticks_children: 7, threads: 9, virtual_bytes: 8192, resident_pages: 5 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("7 (a"), None);
    }
}
