//! x
mod experiment;
mod judge;
mod metric;
mod observation;
mod order;
