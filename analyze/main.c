/* SPDX-License-Identifier: MIT */
/* stint: reads recordings. Finds the command and runs it. */
#include <stdio.h>
#include <string.h>

#include "analyze/commands.h"
#include "analyze/options.h"

static const struct command_entry commands[] = {
	{"record", cmd_record, "record this host into a file (runs stint-record)"},
	{"info", cmd_info, "what is in a recording: host, times, totals, losses, processes, modules"},
	{"report", cmd_report, "tables: where CPU time went, or where threads were off the CPU"},
	{"annotate", cmd_annotate, "samples at each instruction and source line of a function"},
	{"replay", cmd_replay, "events in time order, one a line"},
	{"flame", cmd_flame, "a flame graph: an interactive page, a picture, or folded stacks"},
	{"diff", cmd_diff, "what changed between recordings"},
	{"pack", cmd_pack, "embed the symbols that a recording needs, so that it reads the same anywhere"},
	{"verify", cmd_verify, "check every block and reference; --repair keeps what is whole"},
	{"dump", cmd_dump, "every row as it stands in the file, as JSON lines"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(void)
{
	size_t i;

	printf("Usage: stint COMMAND [OPTIONS] FILE...\n"
	       "Record what a Linux host does, on the CPU and off it, and read the recording "
	       "anywhere.\n\n");
	for (i = 0; i < N_COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	printf("\n'stint COMMAND --help' describes a command. Where a FILE is read, '-' is "
	       "standard input.\n"
	       "Exit status: 0 done; 1 ran, and the answer is no; 2 usage; 3 bad or unreadable "
	       "input;\n"
	       "4 the system refused.\n");
}

static const struct command_entry *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int run_command(const struct command_entry *command, int argc, char **argv)
{
	char name[64];

	snprintf(name, sizeof(name), "stint %s", command->name);
	argv[0] = name;
	return command->run(argc, argv);
}

int main(int argc, char **argv)
{
	char help[] = "--help";
	const char *word = argc > 1 ? argv[1] : NULL;
	const struct command_entry *command;

	if (!word)
		options_fault("stint", "no command given");
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		printf("stint %s\n", STINT_VERSION);
		return options_finish_output("stint");
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || (!strcmp(word, "help") && argc == 2)) {
		print_help();
		return options_finish_output("stint");
	}
	if (!strcmp(word, "help")) {
		/* "stint help report" is "stint report --help". */
		word = argv[2];
		argc = 3;
		argv[2] = help;
	}
	if (word[0] == '-')
		options_fault("stint", "unknown option '%s'", word);
	command = find_command(word);
	if (!command)
		options_fault("stint", "there is no command '%s'", word);
	return run_command(command, argc - 1, argv + 1);
}
