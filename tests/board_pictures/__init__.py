"""The pictures of docs/dashboards.md: what the boards of deploy/grafana show, drawn from what they ask for."""
