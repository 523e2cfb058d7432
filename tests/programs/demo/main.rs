//! `cargo demo`: the main job on real input. Written once the command line it drives is there.

fn main() -> anyhow::Result<()> {
    anyhow::bail!("the demo needs the finished `lovage` command line")
}
