//! What a recording promises: everything comes back, damage costs what it hit
//! and no more, and an output that fails leaves whole frames.

mod damaged;
mod full_disk;
mod parts;
mod refused;
mod round_trip;
pub(super) mod sample;
mod seeds;
mod smoke;
