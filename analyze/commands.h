/* SPDX-License-Identifier: MIT */
/* The commands of stint. Each one parses its own arguments, prints, and returns stint's exit
 * status. */
#ifndef STINT_ANALYZE_COMMANDS_H
#define STINT_ANALYZE_COMMANDS_H

/* argv[0] is the command's full name, "stint report", as messages begin with it. */
struct command_entry {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

int cmd_record(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_annotate(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_flame(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_pack(int argc, char **argv);

#endif
