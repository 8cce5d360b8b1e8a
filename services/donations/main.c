/* The donations service: contract, SQL and the flows that need C. */
#include "services/donations/donations.h"

int main(int argc, char **argv)
{
	return service_main(&donations, argc, argv);
}
