//! Configuration, listeners, signals and metrics; the only place that joins the parts.
