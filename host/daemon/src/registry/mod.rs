//! What tasks there are: the catalogue as this worker sees it, versions made ready to run, and pushing new ones.

pub mod gate;
pub mod ground;
pub mod live;
pub mod load;
pub mod push;
pub mod ready;
pub mod signing;
