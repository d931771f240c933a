"""evoarch for coding agents: its commands as tools, and SKILL.md (docs/mcp.md)."""
